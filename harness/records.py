"""A run's ``record.json``, read as if by a stranger: it may be cut short, edited by hand or of another job."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from harness.jobs import Job, Parent

SCHEMA = 1
PERCENT = 100.0
"""Largest value of what a fine-tuning measures; the smallest is 0."""


def read(directory: Path, job: Job | Parent) -> tuple[dict[str, Any] | None, str]:
    """The record of a run and, where a file is there that is no record of ``job``, what is wrong with it."""
    path = f"{directory}/record.json"
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read())
    except FileNotFoundError:
        return None, ""
    except (ValueError, OSError, RecursionError) as error:
        return None, f"{path}: unreadable ({error})"
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return None, f"{path}: not a record of this version of the harness"
    if record.get("key") != job.key:
        return None, f"{path}: is the record of another job"
    if odd := _odd(record, job):
        return None, f"{path}: incomplete or edited, see `{odd}`"
    return record, ""


def _odd(record: Mapping[str, Any], job: Job | Parent) -> str:
    """The first field that is not as the harness writes it; empty if all are."""
    wanted: dict[str, Callable[[Any], bool]] = {
        "status": lambda value: value in ("done", "failed"),
        "outputs": _strings,
        "timings": _timings,
        "versions": _strings,
        "host": lambda value: isinstance(value, dict),
        "device": lambda value: isinstance(value, str),
        "processes": lambda value: value is None or (isinstance(value, int) and value > 0),
        "tool": lambda value: isinstance(value, str if job.kind == "transfer" else str | None) and "tool" in record,
        "code": _code,
        "curve": lambda value: isinstance(value, str | None),
        "error": lambda value: _error(value, record["status"] == "failed"),
        "metrics": lambda value: _metrics(value, job, record["status"] == "done"),
    }
    return next((name for name, fits in wanted.items() if not fits(record.get(name))), "")


def _timings(value: Any) -> bool:
    """What was waited stands in it where the room measures it, and since it does."""
    if not isinstance(value, dict) or "seconds" not in value:
        return False
    return all(_number(value[name]) and value[name] >= 0 for name in value.keys() & {"seconds", "waited"})


def _number(value: Any) -> bool:
    """Whether it is a real number that a float can hold: JSON knows integers of any length."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:
        return False


def _strings(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _code(value: Any) -> bool:
    """Empty outside a repository."""
    if not value:
        return value is None or value == {}
    return isinstance(value, dict) and isinstance(value.get("revision"), str) and isinstance(value.get("dirty"), bool)


def _error(value: Any, failed: bool) -> bool:
    if not failed:
        return value is None
    return _strings(value) and value.keys() == {"kind", "message"}


def _metrics(value: Any, job: Job | Parent, done: bool) -> bool:
    """All that a task declares, in percent; of other work, whatever finite numbers there are."""
    if not isinstance(value, dict) or not all(map(_number, value.values())):
        return False
    if job.kind != "transfer" or not done:
        return True
    declared = job.config.get("metrics", ()) if isinstance(job, Job) else ()
    return set(declared) <= value.keys() and all(0 <= each <= PERCENT for each in value.values())
