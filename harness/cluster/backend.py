"""What this package asks of Slurm: the room ``slurm`` as one object, so that a stand-in can take its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from slurm import accounting, check, commands, origin, queue, submit
from slurm.cluster import Cluster
from slurm.origin import Origin
from slurm.requests import Queue, Request, Submission, Task

Environment = Mapping[str, str | None]
"""Laid over that of whoever submits; None unsets a variable."""


class Backend(Protocol):
    """A batch system."""

    def check(self, cluster: Cluster, requests: Mapping[Request, str]) -> None:
        """Raises ``ConfigError`` if there is no Slurm here or it would not take such jobs, in sbatch's own words."""

    def origin(self) -> Origin:
        """Which Slurm this is, and who asks it.

        Raises:
            Unavailable: it does not answer.
        """

    def limit(self, cluster: Cluster) -> int:
        """How many tasks an array may have."""

    def known(self, home: Path) -> list[Submission]:
        """All submissions written down below ``home``, the oldest first."""

    def look(self, cluster: Cluster, submissions: Sequence[Submission]) -> Queue:
        """What Slurm says of their tasks now."""

    def starts(self, cluster: Cluster, submission: Submission) -> Mapping[tuple[int, int], str] | None:
        """(task, how often it had been started before) → accounting's word for how that start ended, if it has one.
        None where there is no accounting."""

    def settle(self, home: Path, submissions: Sequence[Submission], seen: Queue) -> list[Submission]:
        """Find out about submissions whose id was lost, by a queue that was looked at after they were listed; those
        that never reached Slurm are dropped and returned."""

    def submit(
        self,
        home: Path,
        cluster: Cluster,
        request: Request,
        tasks: Sequence[Task],
        after: Sequence[str],
        *,
        function: str,
        environment: Environment,
    ) -> Submission:
        """Hand an array to Slurm, written down below ``home`` before.

        Raises:
            ConfigError: sbatch refuses it.
            StorageError: it cannot be written down.
        """

    def cancel(self, ids: Sequence[str]) -> None:
        """Take tasks out of the queue or end them."""


@dataclass
class Slurm:
    """The real one: see ``slurm.submit`` and ``slurm.queue``."""

    patience: float = commands.SECONDS
    """Seconds that it gets to say what is in the queue."""

    def check(self, cluster: Cluster, requests: Mapping[Request, str]) -> None:
        """See ``Backend``."""
        check.check(cluster, requests)

    def origin(self) -> Origin:
        """See ``Backend``."""
        return origin.here()

    def limit(self, cluster: Cluster) -> int:
        """See ``Backend``."""
        return queue.limits(cluster).array

    def known(self, home: Path) -> list[Submission]:
        """See ``Backend``."""
        return submit.known(home)

    def look(self, cluster: Cluster, submissions: Sequence[Submission]) -> Queue:
        """See ``Backend``."""
        return queue.look(cluster, submissions, self.patience)

    def starts(self, cluster: Cluster, submission: Submission) -> Mapping[tuple[int, int], str] | None:
        """See ``Backend``."""
        return accounting.starts(submission, self.patience) if cluster.accounting else None

    def settle(self, home: Path, submissions: Sequence[Submission], seen: Queue) -> list[Submission]:
        """See ``Backend``."""
        return list(submit.settle(home, submissions, seen).dropped)

    def submit(
        self,
        home: Path,
        cluster: Cluster,
        request: Request,
        tasks: Sequence[Task],
        after: Sequence[str],
        *,
        function: str,
        environment: Environment,
    ) -> Submission:
        """See ``Backend``."""
        return submit.submit(home, cluster, request, tasks, after, function=function, environment=environment)

    def cancel(self, ids: Sequence[str]) -> None:
        """See ``Backend``."""
        queue.cancel(ids)
