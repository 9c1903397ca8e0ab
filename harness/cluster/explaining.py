"""``harness status --why``: of each job that is not done, what happened so far and what will happen next."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness import claims, endings
from harness.cluster import failures
from harness.cluster.evidence import tail
from harness.cluster.survey import Standing
from harness.endings import End
from harness.estimate import duration
from harness.jobs import Job
from harness.plan import Plan
from harness.store import Store

LINES = 5
"""Of a log."""
ALIKE = 3
"""Jobs of which there is nothing to tell but their state: more of them are counted instead."""


def lines(plan: Plan, store: Store, standings: Mapping[str, Standing], pattern: str) -> list[str]:
    """A block for each job that is not done and that ``pattern`` means; those without a history in a line together."""
    chosen = [standings[job.name] for job in plan.jobs if _meant(plan, job, pattern)]
    told: list[str] = []
    quiet: dict[tuple[str, str], list[Standing]] = {}
    for each in chosen:
        history = [] if each.state == "done" else _history(store, each)
        if history:
            told += [f"{each.job.title}: {each.state}{_class(each)}{each.where}", *history, *_next(store, each), ""]
        elif each.state != "done":
            quiet.setdefault((each.state, _waits(each, with_id=False)), []).append(each)
    for (state, words), several in quiet.items():
        titles = ", ".join(each.job.title for each in several[:ALIKE])
        more = f" and {len(several) - ALIKE} more" if len(several) > ALIKE else ""
        told.append(f"{state}: {titles}{more}: {words}")
    if not chosen:
        told.append(f"--why {pattern}: no job of this plan is called so; write a part of its name, or table/row/column")
    return told or ["every job is done"]


def _meant(plan: Plan, job: Job, pattern: str) -> bool:
    """By a part of its name or title, a shell pattern, or a cell's address."""
    names = [f"{job.kind}/{job.name}", job.title, *_addresses(plan, job)]
    wanted = pattern.casefold()
    return any(wanted in name.casefold() or fnmatch.fnmatch(name.casefold(), wanted) for name in names)


def _addresses(plan: Plan, job: Job) -> Iterable[str]:
    """``table1/PixCon-SR/AP`` of each cell that a fine-tuning stands in."""
    for layout in plan.layouts:
        for row in layout.rows:
            if row.recipe == job.recipe:
                own = (column for column in layout.columns if column.task == job.task)
                yield from (f"{layout.name}/{row.label}/{column.label}" for column in own)


def _class(each: Standing) -> str:
    bad = [ending.outcome for ending in each.endings if ending.outcome not in failures.NO_FAILURES]
    kind = bad[-1] if bad else each.look.error_kind
    return f" ({kind})" if kind and kind != each.state else ""


def _history(store: Store, each: Standing) -> list[str]:
    """Its attempts, with nodes and how each ended, and what Slurm said of its tasks."""
    folder = store.directory(each.job) / "attempts"
    told = []
    for number, end in endings.all_of(folder).items():
        attempt = claims.at(folder, number)
        told.append(f"  attempt {number}{_place(attempt.owner if attempt else None)}: {_end(end, attempt)}")
    for ending in each.endings:
        if ending.outcome not in failures.NO_FAILURES:
            nodes = f", on {ending.nodes}" if ending.nodes else ""
            told.append(f"  counts as {ending.outcome}{nodes}: {ending.words.removeprefix(f'{ending.outcome}: ')}")
    return told


def _place(owner: claims.Owner | None) -> str:
    if owner is None:
        return ""
    again = f", restart {owner.restart}" if owner.restart else ""
    return f" on {owner.host}" + (f" ({owner.slurm}{again})" if owner.slurm else "")


def _end(end: End | None, attempt: claims.Attempt | None) -> str:
    if end is None:
        return "at work" if attempt is not None and attempt.alive() else "killed without a word"
    words = [end.outcome, f"after {duration(end.seconds)}"]
    why = end.signal or end.kind
    detail = "; ".join(part for part in (why, _first(end.message) if end.message != why else "") if part)
    again = "; requeued" if end.requeued else ""
    return " ".join(words) + (f": {detail}" if detail else "") + again


def _next(store: Store, each: Standing) -> list[str]:
    """Where its log is and how it ends, and what comes."""
    log = store.log(each.job)
    last = _last(log)
    told = [f"  log: {log}", *(f"    | {line}" for line in last)] if last else []
    return [*told, f"  next: {_waits(each)}"]


def _last(log: Path) -> Sequence[str]:
    return [line for line in tail(log).splitlines() if line.strip()][-LINES:]


def _waits(each: Standing, with_id: bool = True) -> str:
    """What comes next, with Slurm's reason for a job that waits."""
    entry = each.live.entry if each.live else None
    if entry is not None and entry.phase == "pending":
        return f"in the queue{f' as {entry.job_id}' if with_id else ''} ({entry.reason or entry.state})"
    if each.state == "failed":
        return f"nothing, unless --rerun retry: {each.step.words}"
    return each.step.words


def _first(text: str) -> str:
    return (text.splitlines() or [""])[0]
