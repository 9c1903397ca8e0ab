"""How long jobs take: measured where a like job was measured, otherwise as the profile believes; and in what order."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from statistics import median

from harness.jobs import Job, behind
from harness.profiles import Seconds

INITIAL_SECONDS = 5.0
"""Of a job that trains nothing."""


class Estimates:
    """Seconds a job takes, better with every finished one."""

    def __init__(self, believed: Seconds) -> None:
        self._believed = believed
        self._measured: dict[tuple[str | None, ...], list[float]] = {}

    def add(self, job: Job, seconds: float) -> None:
        """Learn how long a finished job took."""
        for group in _groups(job):
            self._measured.setdefault(group, []).append(seconds)

    def seconds(self, job: Job) -> float:
        """The median of the most similar finished jobs; without one, the profile's guess."""
        for group in _groups(job):
            if group in self._measured:
                return median(self._measured[group])
        if _initial(job):
            return INITIAL_SECONDS
        believed: float = getattr(self._believed, job.kind)
        return self._believed.tasks.get(job.task or "", believed)

    def measured(self, job: Job) -> bool:
        """Whether ``seconds`` rests on a measurement, or there is next to nothing to measure."""
        return _initial(job) or any(group in self._measured for group in _groups(job))


def _initial(job: Job) -> bool:
    """Whether a job only writes weights down, initial ones or a file's: it tells nothing of those that train."""
    return job.kind == "import" or bool(job.config.get("initial"))


def _groups(job: Job) -> list[tuple[str | None, ...]]:
    """What a job is alike to, from most to least."""
    if _initial(job):
        return [("initial", job.recipe)]
    return [(*job.family, job.recipe or job.input), job.family]


def order(jobs: Collection[Job], seconds: Mapping[str, float]) -> list[Job]:
    """The order in which jobs should start: first what holds up most work, then repeat by repeat.

    A job that others rest on counts with all that waits for it, at whatever distance; a fine-tuning as the longest of
    its task. Among equals all recipes get their first run before any gets its second, so that a table fills evenly.
    """
    names = {job.name: job for job in jobs}
    holds_up = {job.name: seconds[job.name] for job in jobs}
    longest: dict[str | None, float] = {}
    for job in jobs:
        longest[job.task] = max(longest.get(job.task, 0.0), seconds[job.name])
        for each in behind(job, names):
            holds_up[each.name] += seconds[job.name]

    def rank(job: Job) -> tuple[bool, float, int]:
        if job.kind != "transfer":
            return False, -holds_up[job.name], 0
        return True, -longest[job.task], job.run or 0

    return sorted(jobs, key=rank)


def wall_clock(jobs: Sequence[Job], seconds: Mapping[str, float], workers: int) -> float:
    """Seconds until the last of ``jobs`` ends with ``workers`` at once, by playing the schedule.

    A parent that is not among ``jobs`` is finished already.
    """
    pending, unfinished = order(jobs, seconds), {job.name for job in jobs}
    running: list[tuple[float, str]] = []
    now = 0.0
    while pending or running:
        ready = [job for job in pending if not any(each.name in unfinished for each in job.parents.values())]
        for job in ready[: workers - len(running)]:
            heapq.heappush(running, (now + seconds[job.name], job.name))
            pending.remove(job)
        now, name = heapq.heappop(running)
        unfinished.remove(name)
    return now


def duration(seconds: float) -> str:
    """``2 h 05 min``, ``3 min 20 s``, ``12 s``, ``0.4 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
