"""How many times as fast as on one GPU a job is on several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness import scaling, throughput
from harness.collectives import Fabric
from harness.estimate import Estimates, learn, trains_nothing
from harness.jobs import Job
from harness.profiles import Profile
from harness.store import Look, Store
from harness.throughput import Pace
from slurm.cluster import Cluster

if TYPE_CHECKING:
    from pretrain.config import PretrainConfig

GIGA = 1e9


class Speed:
    """Of a plan's jobs on a cluster.

    A pre-training's batch is its recipe's and is split among its GPUs; `harness.scaling` says what that gives. On CPUs
    it is taken to gain as much as it gets. A fine-tuning has as many processes as its task says wherever it runs, so
    what was measured or guessed holds as it is.
    """

    def __init__(self, profile: Profile, cluster: Cluster) -> None:
        self._profile, self._cluster = profile, cluster
        self._found: dict[tuple[str, int], float] = {}
        self._paces: dict[str, Pace] = {}

    def times(self, job: Job, processes: int) -> float:
        """As fast as one process; 1 for what is not split."""
        if processes == 1 or job.kind != "pretrain" or job.recipe is None or trains_nothing(job):
            return 1.0
        if job.device_class == "cpu":
            return float(processes)
        if (job.recipe, processes) not in self._found:
            several, one = (self.step(job.recipe, number) for number in (processes, 1))
            self._found[job.recipe, processes] = one.seconds / several.seconds
        return self._found[job.recipe, processes]

    def estimates(self, store: Store, looks: Mapping[str, Look], jobs: Sequence[Job]) -> Estimates:
        """How long jobs take with one process, by the store's finished ones and the profile's guess."""
        found = Estimates(self._profile.seconds)
        for job in jobs:
            if (look := looks[job.name]).state == "done":
                found.add(job, look.seconds * self.times(job, look.processes))
        learn(found, store, jobs)
        return found

    def step(self, recipe: str, gpus: int, batch: int | None = None) -> scaling.Step:
        """A step of a recipe on so many GPUs, of its own batch unless another is given."""
        from pretrain import traffic

        config = self._profile.recipe(recipe)
        found = traffic.of(config)
        loaded = throughput.VIEWS_PER_CORE * self._cluster.kinds.pretrain.cpus / found.views
        return scaling.step(found, self._pace(config), batch or config.train.batch, self._fabric(gpus), loaded)

    def basis(self) -> list[str]:
        """Whence the one GPU's steps are, each source once."""
        return list(dict.fromkeys(pace.source for pace in self._paces.values()))

    def _pace(self, config: PretrainConfig) -> Pace:
        if config.recipe not in self._paces:
            self._paces[config.recipe] = throughput.of(config, self._profile.name, self._cluster.gpu_type)
        return self._paces[config.recipe]

    def _fabric(self, gpus: int) -> Fabric:
        links, per_node = self._cluster.links, self._cluster.gpus_per_node or 1
        return Fabric(gpus, per_node, links.gpu * GIGA, links.node * GIGA)
