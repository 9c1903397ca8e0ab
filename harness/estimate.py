"""How long jobs take: measured where a like job was measured, otherwise as the profile believes; and in what order."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from statistics import median

from ground.errors import StorageError
from harness.imports import network_of
from harness.jobs import Job, behind
from harness.profiles import Seconds
from harness.store import Store, read_job

INITIAL_SECONDS = 5.0
"""Of a job that trains nothing."""
ENOUGH = 20
"""So many runs of a task tell how long one takes: no more are looked for."""


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

    def basis(self, jobs: Collection[Job]) -> str:
        """In words, what the seconds of ``jobs`` rest on."""
        telling = [job for job in jobs if not _initial(job)]
        measured = {job.name for job in telling if self.measured(job)}
        if len(measured) == len(telling):
            return "measured"
        known = dict.fromkeys(job.task or job.kind for job in telling if job.name in measured)
        return f"partly the profile's guess; measured: {', '.join(known)}" if known else "the profile's guess"


def learn(estimates: Estimates, store: Store, jobs: Collection[Job]) -> None:
    """Add the store's finished fine-tunings of tasks that ``jobs`` have and nothing measured: of whatever recipe, with
    the same profile, settings and sort of device."""
    own = {job.name for job in jobs}
    alike = {job.task: job for job in jobs if job.kind == "transfer" and not estimates.measured(job)}
    found: Counter[str] = Counter()
    for name in store.names("transfer") if alike else ():
        task = name.partition(".")[0]
        if task not in alike or name in own or found[task] == ENOUGH:
            continue
        try:
            other = read_job(store.root / "transfer" / name)
        except StorageError:  # it counts for nothing anywhere; what it lacks is said where it is wanted
            continue
        look = store.look(other) if _pace(other) == _pace(alike[task]) else None
        if look is not None and look.state == "done":
            estimates.add(other, look.seconds)
            found[task] += 1


def _pace(job: Job) -> tuple[object, ...]:
    """What decides how long a fine-tuning takes: equal for all repeats and recipes."""
    return job.task, job.profile, job.device_class, {name: v for name, v in job.config.items() if name != "runs"}


def _initial(job: Job) -> bool:
    """Whether a job only writes weights down, initial ones or a file's: it tells nothing of those that train."""
    return job.kind == "import" or bool(job.config.get("initial"))


def _groups(job: Job) -> list[tuple[str | None, ...]]:
    """What a job is alike to, from most to least."""
    if _initial(job):
        return [("initial", job.recipe)]
    family = (*job.family, network_of(job.config)) if job.kind == "transfer" else job.family
    return [(*family, job.recipe or job.input), family]


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
