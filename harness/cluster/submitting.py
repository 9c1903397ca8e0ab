"""Hand the difference over: arrays of jobs that ask for the same and wait for the same, parents before children.

A job whose parent is in the queue waits for it there (``afterok``), so a chain of jobs is submitted at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ground.errors import ConfigError
from harness import worker
from harness.cluster import needs
from harness.cluster.backend import Backend
from harness.cluster.home import Home
from harness.cluster.survey import Standing, Survey, path_of
from harness.jobs import Job
from harness.store import Store, shelve
from slurm.cluster import Cluster
from slurm.commands import Unavailable
from slurm.requests import Request, Submission, Task

FUNCTION = "harness.worker:main"


@dataclass(frozen=True)
class Array:
    """Jobs that share a submission."""

    request: Request
    after: tuple[str, ...]
    threads: int
    jobs: tuple[Job, ...]


@dataclass
class Submitter:
    """Submits what a survey found wanting, for whoever holds the lease."""

    store: Store
    cluster: Cluster
    backend: Backend
    holds: Callable[[], bool]
    """Whether we still have the lease."""
    environment: Mapping[str, str | None] = field(default_factory=dict)
    """What every job has besides its own."""
    made: list[Submission] = field(default_factory=list)
    refused: dict[str, ConfigError] = field(default_factory=dict)
    """Job → Slurm's own words on why it does not take it."""

    def submit(self, survey: Survey, order: Sequence[Job], limit: int) -> None:
        """Submit jobs in the order of their urgency, as many as there is room for. What Slurm refuses is kept in
        ``refused``, and what waits for that is not submitted.

        Args:
            order: the jobs that are wanted.
            limit: tasks of an array at most.

        Raises:
            Unavailable: Slurm takes no more now.
            StorageError: it cannot be written down.
        """
        ids = {name: each.live.id for name, each in survey.standings.items() if each.live is not None}
        exclude = tuple(sorted(survey.history.bad_nodes()))
        for layer in layers(self._room_for(survey, order)):
            for array in self._arrays(survey, layer, ids, limit, exclude):
                if not self.holds():  # somebody took us for dead and submits in our place
                    return
                try:
                    made = self._submit(survey, array)
                except ConfigError as error:
                    self.refused.update({job.name: error for job in array.jobs})
                    continue
                self.made.append(made)
                ids.update({job.name: made.id_of(index) for index, job in enumerate(array.jobs)})

    def _room_for(self, survey: Survey, order: Sequence[Job]) -> list[Job]:
        """The first of them, as many as may be in the queue besides what is there."""
        if self.cluster.max_jobs is None:
            return list(order)
        return list(order[: max(self.cluster.max_jobs - survey.in_queue, 0)])

    def _arrays(
        self, survey: Survey, jobs: Sequence[Job], ids: Mapping[str, str | None], limit: int, exclude: tuple[str, ...]
    ) -> Iterator[Array]:
        """Jobs of equal requests and parents, in arrays of at most ``limit``."""
        groups: dict[tuple[Request, tuple[str, ...], int], list[Job]] = {}
        for job in jobs:
            after = _after(job, survey.standings, ids)
            if after is not None:
                failures = sum(each.outcome == "memory" for each in survey.history.counted(path_of(job)))
                request = needs.request(job, self.cluster, memory_failures=failures, exclude=exclude)
                groups.setdefault((request, after, job.threads), []).append(job)
        for (request, after, threads), members in groups.items():
            for start in range(0, len(members), limit):
                yield Array(request, after, threads, tuple(members[start : start + limit]))

    def _submit(self, survey: Survey, array: Array) -> Submission:
        for job in array.jobs:
            self._make_ready(job, survey.standings[job.name].stands)
        ours = {each.job_id for each in survey.submissions if each.token not in survey.queue.foreign}
        tasks = [self._task(survey.standings[job.name], ours) for job in array.jobs]
        try:
            return self._sbatch(array.request, tasks, array.after, array.threads)
        except ConfigError:
            if not array.request.exclude:
                raise
        # Without the nodes that have failed there may be none left that would do.
        return self._sbatch(replace(array.request, exclude=()), tasks, array.after, array.threads)

    def _task(self, standing: Standing, ours: Collection[str | None]) -> Task:
        """With the number of an attempt that left no word and whose end our Slurm, or we, have seen: then nobody needs
        to look on for a minute. ``ours``: Slurm's ids of our arrays."""
        directory, attempt = str(self.store.directory(standing.job).absolute()), standing.look.attempt
        array = attempt.owner.slurm.partition("_")[0] if attempt and attempt.owner else ""
        over = attempt.number if attempt and array and array in ours else self.store.over(attempt)
        return Task(path_of(standing.job), (directory, str(over)) if over else (directory,))

    def _make_ready(self, job: Job, stands: str) -> None:
        """Everything that a job finds in its folder; ``stands``: why a record that is there counts no more."""
        if stands:
            shelve(self.store.directory(job) / "record.json", stands)
        self.store.prepare(job)

    def _sbatch(self, request: Request, tasks: Sequence[Task], after: tuple[str, ...], threads: int) -> Submission:
        if not self.holds():  # making thousands of folders ready takes a while
            raise Unavailable("sbatch", "this harness may not submit any more", "The next pass sees to what is left.")
        environment = {**worker.environment(threads), **self.environment}
        home = Home(self.store).submissions
        return self.backend.submit(
            home, self.cluster, request, tasks, after, function=FUNCTION, environment=environment
        )


def layers(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs that wait for none of the others, then those that wait for these alone, and so on; in the order given."""
    names, depth = {job.name: job for job in jobs}, dict[str, int]()

    def deep(job: Job) -> int:
        if job.name not in depth:
            behind = [deep(names[each.name]) for each in job.parents.values() if each.name in names]
            depth[job.name] = 1 + max(behind, default=-1)
        return depth[job.name]

    found: list[list[Job]] = [[] for _ in range(1 + max(map(deep, jobs), default=-1))]
    for job in jobs:
        found[depth[job.name]].append(job)
    return found


def _after(job: Job, standings: Mapping[str, Standing], ids: Mapping[str, str | None]) -> tuple[str, ...] | None:
    """Slurm's ids of the parents that are not done; None if one of them is neither done nor known to Slurm."""
    waiting = [each.name for each in job.parents.values() if each.name in standings]
    waiting = [name for name in waiting if standings[name].state != "done"]
    known = [identity for name in waiting if (identity := ids.get(name)) is not None]
    return tuple(sorted(set(known))) if len(known) == len(waiting) else None
