"""In what order jobs should start, and what comes of it: a schedule played with a number of units, processes or GPUs.

The order is a list, and what plays it does as Slurm does: whoever is ready and first in the list starts; one that waits
for room is held up by nobody behind it, and whoever behind it fits meanwhile may go ahead (backfill).
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.jobs import Job, behind


def order(jobs: Collection[Job], seconds: Mapping[str, float]) -> list[Job]:
    """The order in which jobs should start: first what holds up most work, then repeat by repeat.

    A job that others rest on counts with all that waits for it, at whatever distance; a fine-tuning as the longest of
    its task. Among equals all recipes get their first run before any gets its second, so that a table fills evenly.
    """
    names = {job.name: job for job in jobs}
    longest: dict[str | None, float] = {}
    waiting: dict[tuple[str, ...], float] = {}
    for job in jobs:
        longest[job.task] = max(longest.get(job.task, 0.0), seconds[job.name])
        parents = tuple(parent.name for parent in job.parents.values())
        waiting[parents] = waiting.get(parents, 0.0) + seconds[job.name]
    # Jobs of equal parents hold up the same ones: repeats by the thousand are counted as one.
    holds_up = dict.fromkeys(names, 0.0)
    for parents, theirs in waiting.items():
        known = [names[parent] for parent in parents if parent in names]
        for name in {each.name for job in known for each in (*behind(job, names), job)}:
            holds_up[name] += theirs

    def rank(job: Job) -> tuple[bool, float, int]:
        if job.kind != "transfer":
            return False, -(seconds[job.name] + holds_up[job.name]), 0
        return True, -longest[job.task], job.run or 0

    return sorted(jobs, key=rank)


def wall_clock(jobs: Sequence[Job], seconds: Mapping[str, float], workers: int) -> float:
    """Seconds until the last of ``jobs`` ends with ``workers`` at once, by playing the schedule.

    A parent that is not among ``jobs`` is finished already.
    """
    return max(play(order(jobs, seconds), seconds, workers).values(), default=0.0)


def lower_bound(jobs: Iterable[Job], seconds: Mapping[str, float], room: int, units: Mapping[str, int]) -> float:
    """Seconds that no schedule of ``jobs`` on ``room`` units beats: the longest chain, or all work spread evenly.

    Args:
        jobs: parents before children.
    """
    ends: dict[str, float] = {}
    work = 0.0
    for job in jobs:
        work += seconds[job.name] * units[job.name]
        ends[job.name] = seconds[job.name] + max((ends.get(each.name, 0.0) for each in job.parents.values()), default=0)
    return max(work / room, max(ends.values(), default=0.0))


def play(
    jobs: Sequence[Job], seconds: Mapping[str, float], room: int, units: Mapping[str, int] | None = None
) -> dict[str, float]:
    """Job name → when it ends, in seconds from the beginning.

    Args:
        jobs: in the order of their priority. A parent that is not among them is finished already.
        seconds: of each job, by name.
        room: units at once. They are one pool: that a job's units have to lie on one node is not looked at.
        units: that each job takes; one unless said. A job of none starts as soon as it is ready.

    Raises:
        ValueError: a job wants more than there is.
    """
    game = _Game(jobs, seconds, room, units or {})
    while game.running or game.line:
        game.start()
        game.finish()
    return game.ends


@dataclass
class _Promise:
    """When the first in line gets its room, and how much will be left beside it then."""

    rank: int
    at: float
    spare: int


@dataclass
class _Game:
    """A schedule while it is played. Jobs are called by their place in the list."""

    jobs: Sequence[Job]
    seconds: Mapping[str, float]
    room: int
    units: Mapping[str, int]
    now: float = 0.0
    ends: dict[str, float] = field(default_factory=dict)
    running: list[tuple[float, int]] = field(default_factory=list)
    """A heap of (end, rank)."""
    line: list[int] = field(default_factory=list)
    """A heap of those that are ready."""

    def __post_init__(self) -> None:
        self.free = self.room
        self._promise: _Promise | None = None
        self._alike: dict[int, dict[float, list[int]]] = {}
        ranks = {job.name: rank for rank, job in enumerate(self.jobs)}
        self._wants = [self.units.get(job.name, 1) for job in self.jobs]
        self._children: list[list[int]] = [[] for _ in self.jobs]
        self._missing = [0] * len(self.jobs)
        for rank, job in enumerate(self.jobs):
            if self._wants[rank] > self.room:
                raise ValueError(f"{job.title} takes {self._wants[rank]} of {self.room}")
            for parent in {ranks[each.name] for each in job.parents.values() if each.name in ranks}:
                self._children[parent].append(rank)
                self._missing[rank] += 1
        for rank, missing in enumerate(self._missing):
            if not missing:
                self._get_in_line(rank)

    def _get_in_line(self, rank: int) -> None:
        heapq.heappush(self.line, rank)
        alike = self._alike.setdefault(self._wants[rank], {})
        heapq.heappush(alike.setdefault(self._takes(rank), []), rank)

    def _takes(self, rank: int) -> float:
        return self.seconds[self.jobs[rank].name]

    def start(self) -> None:
        """Start whoever may at this moment."""
        while first := self._first(self.line):
            if self._wants[first[0]] > self.free:
                self._backfill(first[0])
                return
            self._promise = None
            self._run(first[0])

    def _first(self, heap: list[int]) -> list[int]:
        """The heap without those at its front that run already; empty if nobody is left."""
        while heap and self.jobs[heap[0]].name in self.ends:
            heapq.heappop(heap)
        return heap

    def _run(self, rank: int) -> None:
        self.free -= self._wants[rank]
        end = self.ends[self.jobs[rank].name] = self.now + self._takes(rank)
        heapq.heappush(self.running, (end, rank))

    def _backfill(self, blocked: int) -> None:
        """Start those behind the first in line that fit and do not hold it up."""
        if self._promise is None or self._promise.rank != blocked:
            self._promise = self._promised(blocked)
        while fitting := list(self._fitting(self._promise)):
            self._run(chosen := min(fitting))
            if self.now + self._takes(chosen) > self._promise.at:
                self._promise.spare -= self._wants[chosen]

    def _fitting(self, promise: _Promise) -> Iterator[int]:
        """Of each sort, the first that could go ahead now: there for the promise's time only if it leaves room then."""
        for wants, sorts in self._alike.items():
            if wants <= self.free:
                for takes, alike in sorts.items():
                    if (wants <= promise.spare or self.now + takes <= promise.at) and self._first(alike):
                        yield alike[0]

    def _promised(self, blocked: int) -> _Promise:
        free = self.free
        for end, rank in sorted(self.running):
            free += self._wants[rank]
            if free >= self._wants[blocked]:
                return _Promise(blocked, end, free - self._wants[blocked])
        raise AssertionError("a job that fits on nothing was let in line")

    def finish(self) -> None:
        """Go to the next moment at which somebody ends."""
        if not self.running:
            return
        self.now = self.running[0][0]
        while self.running and self.running[0][0] == self.now:
            _, rank = heapq.heappop(self.running)
            self.free += self._wants[rank]
            for child in self._children[rank]:
                self._missing[child] -= 1
                if not self._missing[child]:
                    self._get_in_line(child)
