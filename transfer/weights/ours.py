"""What our own runs and files say of themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ground.errors import WeightsError

BACKBONE = "backbone.safetensors"
HEADER = "imported"
"""The entry of a safetensors header that `transfer.weights.importing.write` fills."""


def file_of(path: Path) -> Path:
    """The file meant by a path: itself, or a run folder's backbone.

    Raises:
        WeightsError: a folder holds none.
    """
    if not path.is_dir():
        return path
    if (path / BACKBONE).exists():
        return path / BACKBONE
    if (path / "checkpoint.pt").exists():
        remedy = f"Let it finish, or name {path / 'checkpoint.pt'} to take it as it stands."
        raise WeightsError(path, f"has no {BACKBONE}: the pre-training has not finished", remedy)
    raise WeightsError(path, f"is a folder without {BACKBONE}", "Name a weights file or a pre-training's run.")


def record(path: Path) -> dict[str, Any]:
    """The settings of the pre-training whose folder a file lies in; empty if there are none to read."""
    try:
        job = json.loads((path.parent / "job.json").read_text(encoding="utf-8"))
        return dict(job["config"]) if job["kind"] == "pretrain" else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def told(header: Mapping[str, str]) -> dict[str, Any]:
    """What `write` left in a file's header; empty in any other file."""
    try:
        words = json.loads(header.get(HEADER, "{}"))
    except (ValueError, RecursionError):
        return {}
    return words if isinstance(words, dict) else {}


def untrained(settings: Mapping[str, Any], header: Mapping[str, str]) -> str:
    """Why an untrained network of ours is admitted unasked, in words; empty for every other file."""
    if settings.get("initial"):
        return "untrained; admitted because it is this harness's random-init"
    if told(header).get("untrained"):
        return "untrained; admitted because it was when this harness imported it, as its header says"
    return ""


def exported_prefix(settings: dict[str, Any]) -> str | None:
    """The prefix of the network that a recipe hands over."""
    return f"{settings['model'].get('export', 'student')}.resnet." if isinstance(settings.get("model"), dict) else None
