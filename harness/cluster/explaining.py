"""``harness status --why``: of each job that is not done, what happened so far and what will happen next."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
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
    """A block for the jobs that are not done, that ``pattern`` means and that have one cause; those without a history
    in a line together."""
    chosen = [standings[job.name] for job in plan.jobs if _meant(plan, job, pattern)]
    told: list[str] = []
    alike: dict[tuple[str, ...], list[Standing]] = {}
    quiet: dict[tuple[str, str], list[Standing]] = {}
    for each in chosen:
        if each.state != "done" and _history(store, each):
            alike.setdefault(_cause(store, each), []).append(each)
        elif each.state != "done":
            quiet.setdefault((each.state, _waits(each, with_id=False)), []).append(each)
    for several in alike.values():
        told += [*_block(store, several), ""]
    for (state, words), several in quiet.items():
        told.append(f"{state}: {_titles(several)}: {words}")
    if not chosen:
        told.append(f"--why {pattern}: no job of this plan is called so; write a part of its name, or table/row/column")
    return told or ["every job is done"]


def _cause(store: Store, each: Standing) -> tuple[str, ...]:
    """What jobs of one cause have in common."""
    last = next(reversed(endings.all_of(store.directory(each.job) / "attempts").values()), None)
    words = [ending.words for ending in each.endings if ending.outcome not in failures.NO_FAILURES][-1:]
    return each.state, _class(each), _waits(each, with_id=False), _first(last.message) if last else "", *words


def _block(store: Store, several: Sequence[Standing]) -> list[str]:
    """The history of one job, which stands for others of the same cause."""
    first = several[0]
    if len(several) == 1:
        head = [f"{first.job.title}: {first.state}{_class(first)}{first.where}"]
    else:
        head = [f"{len(several)} jobs, {_titles(several)}: {first.state}{_class(first)}; of {first.job.title}:"]
    return [*head, *_history(store, first), *_next(store, first)]


def _titles(several: Sequence[Standing]) -> str:
    more = f" and {len(several) - ALIKE} more" if len(several) > ALIKE else ""
    return ", ".join(each.job.title for each in several[:ALIKE]) + more


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
    """Its attempts, with nodes and how each ended, and what Slurm said of its tasks unless that is the same; equal ones
    that follow each other are one line."""
    folder = store.directory(each.job) / "attempts"
    told, said = [], []
    attempts = [(number, claims.at(folder, number), end) for number, end in endings.all_of(folder).items()]
    for _, group in groupby(attempts, lambda one: (_host(one[1]), _end(store, one[2], one[1], timed=False))):
        members = list(group)
        number, attempt, end = members[0]
        said.append(_end(store, end, attempt))
        if len(members) == 1:
            told.append(f"  attempt {number}{_place(attempt.owner if attempt else None)}: {said[-1]}")
        else:
            host = f" on {_host(attempt)}" if _host(attempt) else ""
            told.append(f"  attempts {number}-{members[-1][0]}{host}: {_end(store, end, attempt, timed=False)}")
    bad = [ending for ending in each.endings if ending.outcome not in failures.NO_FAILURES]
    for (outcome, nodes, words), same in groupby(bad, lambda one: (one.outcome, one.nodes, one.words)):
        times, tail = len(list(same)), _once(words.removeprefix(f"{outcome}: "))
        if not any(f": {outcome}; {tail}" in each or each.endswith(f": {tail}") for each in said):
            often = f" {times} times" if times > 1 else ""
            told.append(f"  counts{often} as {outcome}{f', on {nodes}' if nodes else ''}: {tail}")
    return told


def _host(attempt: claims.Attempt | None) -> str:
    return attempt.owner.host if attempt is not None and attempt.owner is not None else ""


def _place(owner: claims.Owner | None) -> str:
    if owner is None:
        return ""
    again = f", restart {owner.restart}" if owner.restart else ""
    return f" on {owner.host}" + (f" ({owner.slurm}{again})" if owner.slurm else "")


def _end(store: Store, end: End | None, attempt: claims.Attempt | None, *, timed: bool = True) -> str:
    if end is None:
        return "at work" if attempt is not None and store.lives(attempt) else "killed without a word"
    after = f" after {duration(end.seconds)}" if timed else ""
    why = end.signal or end.kind
    detail = "; ".join(part for part in (why, _once(_first(end.message)) if end.message != why else "") if part)
    again = "; requeued" if end.requeued else ""
    return f"{end.outcome}{after}{f': {detail}' if detail else ''}{again}"


def _once(words: str) -> str:
    """Without what is said twice in a row: ``node: node: n1: n1: no GPU``."""
    return ": ".join(part for part, _ in groupby(words.split(": ")))


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
        return f"nothing, unless --rerun retry: {_once(each.step.words)}"
    return _once(each.step.words)


def _first(text: str) -> str:
    return (text.splitlines() or [""])[0]
