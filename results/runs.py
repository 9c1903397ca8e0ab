"""The observations behind a table, and what makes them unfit to share one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from ground.errors import UserError

State = Literal[
    "done", "running", "failed", "blocked", "preempted", "interrupted", "queued", "missing", "no data", "stale",
]  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One fine-tuning run, finished or not."""

    recipe: str
    task: str
    run: int
    """Index of the repeat, from 0."""
    state: State
    metrics: Mapping[str, float]
    """In percent; empty unless done."""
    path: str
    """Directory in the run store."""
    key: str
    profile: str
    data: str
    """What identifies the task's data set: a name or a fingerprint."""
    tool: str
    """Name and version of what fine-tuned and evaluated."""
    device: str = ""
    """Class of what did the arithmetic: ``cpu`` or ``cuda``."""
    hardware: str = ""
    """Its model."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package → version."""
    pretraining: int = 0
    """Seed of the pre-training that it starts from."""
    seed: int | None = None
    """What tells repeats apart."""
    curve: str = ""
    """SHA-256 over the losses of all its steps; empty where it has none."""
    constant: bool = False
    """Whether it did no better than the answer that is one class everywhere."""
    failure: str = ""
    """Class of a failure: ``diverged``, ``data``, …; empty unless it failed."""


class RunsError(UserError):
    """Runs that must not share a table or a cell."""

    kind = "runs"


def check(runs: Sequence[Run], profile: str) -> None:
    """Refuse runs whose mean would be a lie.

    Raises:
        RunsError: a run of another profile than the table's; two runs for one repeat; two repeats that are one
            job (same key); or finished runs of one task on two data sets, with two tools or on two classes of device.
            Names both paths.
    """
    for run in runs:
        if run.profile != profile:
            problem = f"is a run of profile `{run.profile}` in a table of profile `{profile}`"
            raise RunsError(run.path, problem, "Print one table for each profile.")
    repeats: dict[tuple[str, str, int, int], Run] = {}
    jobs: dict[tuple[str, str, str], Run] = {}
    for run in runs:
        twin = repeats.setdefault((run.recipe, run.task, run.pretraining, run.run), run)
        if twin is not run:
            problem = f"both are run {run.run} of {run.recipe} on {run.task}"
            raise RunsError(_both(twin, run), problem, "Keep one in the run store.")
        twin = jobs.setdefault((run.recipe, run.task, run.key), run)
        if twin is not run:
            problem = f"runs {twin.run} and {run.run} of {run.recipe} on {run.task} are one job (key {run.key[:10]})"
            raise RunsError(_both(twin, run), problem, "Give every repeat a seed of its own and run it.")
    firsts: dict[str, Run] = {}
    for run in done(runs):
        first = firsts.setdefault(run.task, run)
        for what, ours, theirs in (
            ("data sets", first.data, run.data),
            ("tools", first.tool, run.tool),
            ("devices", first.device, run.device),
        ):
            if ours != theirs:
                problem = f"{run.task} ran with two {what}, `{ours}` and `{theirs}`"
                raise RunsError(_both(first, run), problem, "Run all anew with one: --rerun force (make: RERUN=force).")


def mixtures(runs: Iterable[Run]) -> list[str]:
    """What finished runs of one task differ in that may shift a number by a little: device models, package versions."""
    found: dict[tuple[str, str], set[str]] = {}
    for run in done(runs):
        versions = {f"versions of {name}": version for name, version in run.versions.items()}
        for what, which in {"devices": run.hardware, **versions}.items():
            if which:
                found.setdefault((run.task, what), set()).add(which)
    return [
        f"{task} ran with {len(several)} {what}: {', '.join(sorted(several))}. Small differences may come from that."
        for (task, what), several in sorted(found.items())
        if len(several) > 1
    ]


def done(runs: Iterable[Run]) -> list[Run]:
    """The finished runs."""
    return [run for run in runs if run.state == "done"]


def value(run: Run, metric: str) -> float:
    """A finished run's number.

    Raises:
        RunsError: the run has no such number, or it is not finite.
    """
    if metric not in run.metrics:
        there = ", ".join(sorted(run.metrics)) or "none"
        raise RunsError(run.path, f"has no metric `{metric}` (it has: {there})", "Delete this run and run again.")
    number = run.metrics[metric]
    if not math.isfinite(number):
        raise RunsError(run.path, f"its {metric} is {number}", "Look into its log; delete it and run again.")
    return number


def duplicates(runs: Iterable[Run]) -> dict[tuple[str, str], list[str]]:
    """(recipe, task) → what is wrong with finished repeats that are not independent, naming both paths.

    Equal losses at every step, or one seed, are the trace of a run that resumed or copied another one. Equal metrics to
    the last bit are, too, where one has no curve to tell; all of them zero only says that nothing was learnt.
    """
    cells: dict[tuple[str, str], list[Run]] = {}
    for run in done(runs):
        cells.setdefault((run.recipe, run.task), []).append(run)
    found: dict[tuple[str, str], list[str]] = {}
    for cell, repeats in cells.items():
        for one, other in _alike(repeats):
            if what := _shared(one, other):
                words = f"{_both(one, other)} have {what}: they are no two runs. Delete one's folder and run again."
                found.setdefault(cell, []).append(words)
    return found


def _alike(repeats: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Pairs that have a seed, a curve or all numbers in common, in order: few of hundreds of repeats."""
    groups: dict[object, list[int]] = {}
    for place, run in enumerate(repeats):
        seed = (run.pretraining, run.seed) if run.seed is not None else None
        for trace in (seed, run.curve, tuple(sorted(run.metrics.items()))):
            if trace:
                groups.setdefault(trace, []).append(place)
    pairs = {pair for places in groups.values() for pair in combinations(places, 2)}
    return [(repeats[one], repeats[other]) for one, other in sorted(pairs)]


def _shared(one: Run, other: Run) -> str:
    """What two repeats have in common that no two independent ones have; empty if there is nothing."""
    if one.seed is not None and (one.pretraining, one.seed) == (other.pretraining, other.seed):
        return "one seed"
    if one.curve and other.curve:
        return "the same losses at every step" if one.curve == other.curve else ""
    return "the same numbers to the last bit" if any(one.metrics.values()) and one.metrics == other.metrics else ""


def _both(one: Run, other: Run) -> str:
    return f"{one.path} and {other.path}"
