"""What stays when some of a store's jobs are cancelled: those that others, which were not named, still rest on."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from harness.cluster import keeper
from harness.cluster.home import Home
from harness.cluster.survey import path_of
from harness.plan import Plan
from harness.store import Store


def needed(store: Store, chosen: Collection[str], others: Collection[str]) -> dict[str, list[str]]:
    """Which of the jobs ``chosen`` others rest on, at whatever distance → the others that do. Jobs are called as their
    tasks are, ``kind/directory``."""
    found: dict[str, list[str]] = {}
    parents: dict[str, list[str]] = {}
    for name in sorted(others):
        for each in sorted(_rests_on(store, name, parents) & set(chosen)):
            found.setdefault(each, []).append(name)
    return found


def kept(home: Home, cancelled: Mapping[str, float]) -> set[str]:
    """Jobs that some keeper was asked for and that have not come to their end. ``cancelled``: when some were."""
    names: set[str] = set()
    for path in home.keeper.glob("*/*.json"):
        told = _read(path)
        since = float(told.get("since", 0.0))
        names.update(each for each in told.get("jobs", ()) if cancelled.get(each, 0.0) <= since)
    return {name for name in names - {keeper.TASK} if not (home.root.parent / name / "record.json").exists()}


def _rests_on(store: Store, name: str, known: dict[str, list[str]]) -> set[str]:
    """All that a job needs; by what its folder says, so that no plan has to be made."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in known:
            kind, _, directory = each.partition("/")
            told = store.written(kind, directory).get("parents", {})
            known[each] = [f"{parent['kind']}/{parent['name']}" for parent in told.values()]
        waiting += [parent for parent in known[each] if parent not in found]
        found.update(known[each])
    return found


def also_of(plan: Plan) -> dict[str, list[str]]:
    """Fine-tunings of a plan that are cells of tables which it does not have, too → these tables."""
    from results import layout

    own = {each.name for each in plan.layouts}
    found: dict[str, list[str]] = {}
    for job in plan.jobs:
        if job.kind == "transfer" and job.recipe is not None:
            stands = [table for table, _ in layout.rows(job.recipe) if table.name not in own]
            if names := [each.name for each in stands if any(column.task == job.task for column in each.columns)]:
                found[path_of(job)] = names
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # fulfilled meanwhile; a keeper says what is wrong with a broken one
        return {}
    return told if isinstance(told, dict) else {}
