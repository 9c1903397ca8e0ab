"""The jobs of a plan in a table: one line for each recipe and task, or, where that is long, one for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

from ground.networks import BackboneName
from harness.columns import aligned
from harness.estimate import Estimates, duration
from harness.imports import network_of
from harness.jobs import Job
from harness.plan import Plan
from harness.store import Look

LONG = 50
"""So many lines fit on a screen or two."""


def groups(plan: Plan, looks: Mapping[str, Look], estimates: Estimates) -> list[str]:
    """Jobs of equal recipe, task and state, one line each; of more than ``LONG`` lines all recipes share theirs."""
    found: dict[tuple[str, str, str], list[Job]] = {}
    for job in plan.jobs:
        what = job.task or (job.kind if job.recipe else job.title)
        found.setdefault((looks[job.name].state, job.recipe or "", what), []).append(job)
    if len(found) > LONG:
        return _short(found, plan, estimates)
    rows = [("state", "recipe", "what", "runs", "each", "by")]
    for (state, recipe, what), jobs in found.items():
        by = "" if state == "done" else estimates.source(jobs[0])
        rows.append((state, recipe, what, _runs(jobs), _each(plan, jobs[0], estimates), by))
    return aligned(rows)


def _short(found: Mapping[tuple[str, str, str], list[Job]], plan: Plan, estimates: Estimates) -> list[str]:
    shared: dict[tuple[str, str], list[list[Job]]] = {}
    for (state, _, what), jobs in found.items():
        shared.setdefault((state, what), []).append(jobs)
    rows = [("state", "recipes", "what", "jobs", "each", "by")]
    for (state, what), several in shared.items():
        spans = sorted(estimates.seconds(jobs[0]) for jobs in several)
        each = " to ".join(dict.fromkeys(duration(span) for span in (spans[0], spans[-1])))
        words = each if len(several) > 1 else _each(plan, several[0][0], estimates)
        by = "" if state == "done" else estimates.basis([jobs[0] for jobs in several])
        rows.append((state, str(len(several)), what, str(sum(map(len, several))), words, by))
    return [*aligned(rows), f"({len(found)} sorts of jobs: --only RECIPE and --tasks TASK show fewer, one a line)"]


def _runs(jobs: Sequence[Job]) -> str:
    """``0 1 2 3 4``, of several pre-trainings ``0 1 2 3 4 (×3)``."""
    times = Counter(job.run for job in jobs if job.run is not None)
    often = set(times.values())
    if len(often) > 1:
        return f"{sum(times.values())} runs"
    more = f" (×{often.pop()})" if often - {1} else ""
    return " ".join(map(str, times)) + more


def _each(plan: Plan, job: Job, estimates: Estimates) -> str:
    """How long a job takes; where the profile guessed for another network than the job's, in which way that is off."""
    words = duration(estimates.seconds(job))
    if job.task is None or estimates.measured(job):
        return words
    sizes: tuple[str | None, ...] = get_args(BackboneName)  # the largest first
    own, usual = network_of(job.config), network_of(plan.profile.task(job.task).model_dump(mode="json"))
    if own == usual or own not in sizes or usual not in sizes:
        return words
    off = "longer" if sizes.index(own) < sizes.index(usual) else "shorter"
    return f"{words} (another network: {off} than this guess)"
