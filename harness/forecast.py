"""How long a plan takes on a cluster: GPU-hours, and the end of a schedule played on so many GPUs.

A unit is a GPU; on a cluster profile whose jobs ask for none it is a process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ground.errors import ConfigError
from harness.cluster import needs
from harness.jobs import Job
from harness.plan import Plan
from harness.schedule import lower_bound, order, play
from harness.store import Look
from slurm.cluster import Cluster

OVER = frozenset({"done", "failed", "blocked"})
"""States of what a run would not start."""


@dataclass(frozen=True)
class Room:
    """How much runs at once."""

    units: int
    unit: str
    """``GPU`` or ``process``."""
    source: str
    """Who said so."""

    @property
    def words(self) -> str:
        """``32 GPUs``."""
        return f"{self.units} {self.unit if self.units == 1 else self.plural}"

    @property
    def plural(self) -> str:
        """Of the unit."""
        return "processes" if self.unit == "process" else f"{self.unit}s"


@dataclass(frozen=True)
class Part:
    """A table, or all of them: what is left of it and how long that takes."""

    title: str
    jobs: int
    left: int
    unit_hours: float
    alone: float
    """Seconds, with nothing else in the queue."""
    at_least: float
    """Seconds that no schedule beats."""
    end: float
    """Seconds until its last job ends where all parts are run together."""


@dataclass(frozen=True)
class Forecast:
    """What is left of a plan on a cluster."""

    plan: Plan
    looks: Mapping[str, Look]
    seconds: Mapping[str, float]
    """Of each job that is left, by name."""
    units: Mapping[str, int]
    room: Room

    @cached_property
    def left(self) -> list[Job]:
        """What a run would start or wait for, in the order in which it would be handed over."""
        return order([job for job in self.plan.jobs if self.looks[job.name].state not in OVER], self.seconds)

    @cached_property
    def ends(self) -> dict[str, float]:
        """Job → seconds until it ends."""
        return play(self.left, self.seconds, self.room.units, self.units)

    @cached_property
    def parts(self) -> list[Part]:
        """Each table, with all that it rests on; what several rest on is in each of them."""
        parts = []
        for layout in self.plan.layouts:
            own = [job for r in layout.recipes for t in layout.tasks for job in self.plan.jobs_of(r, t)]
            parts.append(self._part(layout.name, self.plan.with_parents(own)))
        return parts

    @cached_property
    def whole(self) -> Part:
        """All of the plan."""
        return self._part("all", self.plan.jobs)

    def _part(self, title: str, jobs: Sequence[Job]) -> Part:
        names = {job.name for job in jobs}
        own = [job for job in self.left if job.name in names]
        everything = len(own) == len(self.left)
        ends = self.ends if everything else play(own, self.seconds, self.room.units, self.units)
        ordered = [job for job in jobs if job.name in ends]
        return Part(
            title,
            len(jobs),
            len(own),
            self.unit_hours(own),
            max(ends.values(), default=0.0),
            lower_bound(ordered, self.seconds, self.room.units, self.units),
            max((self.ends[job.name] for job in own), default=0.0),
        )

    def unit_hours(self, jobs: Sequence[Job]) -> float:
        """GPUs × hours of some jobs that are left."""
        return sum(self.seconds[job.name] * self.units[job.name] for job in jobs) / 3600


def room(units: Mapping[str, int], jobs: Mapping[str, Job], cluster: Cluster, unit: str, asked: int | None) -> Room:
    """How much may be expected at once: as asked, else the profile's ``gpus``, else what the largest job takes.

    Raises:
        ConfigError: some job takes more than that.
    """
    largest = max(units, key=lambda name: units[name], default=None)
    least = units[largest] if largest is not None else 1
    if asked:
        found = Room(asked, unit, "--gpus")
    elif cluster.gpus and unit == "GPU":
        found = Room(cluster.gpus, unit, "`gpus` of the cluster profile")
    else:
        found = Room(max(least, cluster.gpus_per_node, 1), unit, "nobody said how many: one node; say --gpus N")
    if largest is not None and least > found.units:
        where = f"--gpus {asked}" if asked else f"`gpus` = {found.units} of the cluster profile"
        remedy = f"Ask for {least} or more, or lower `kinds.{jobs[largest].kind}.gpus` in the cluster profile."
        raise ConfigError(where, f"{jobs[largest].title} alone takes {least}", remedy)
    return found


def build(
    plan: Plan, looks: Mapping[str, Look], seconds: Callable[[Job], float], cluster: Cluster, asked: int | None
) -> Forecast:
    """The forecast of a plan.

    Args:
        seconds: how long a job takes from now on.
        asked: units at once, if the user says.

    Raises:
        ConfigError: see ``room`` and ``needs.request``.
    """
    left = {job.name: job for job in plan.jobs if looks[job.name].state not in OVER}
    requests = {name: needs.request(job, cluster) for name, job in left.items()}
    unit = "GPU" if any(each.gpus_per_node for each in requests.values()) else "process"
    units = {
        name: each.nodes * (each.gpus_per_node if unit == "GPU" else each.tasks_per_node)
        for name, each in requests.items()
    }
    takes = {name: seconds(job) for name, job in left.items()}
    return Forecast(plan, looks, takes, units, room(units, left, cluster, unit, asked))
