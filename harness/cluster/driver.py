"""Passes over a plan: look, write down what was judged, call off what is in vain, submit the difference.

Nothing is remembered from one pass to the next: any number of harnesses, on whatever login nodes, may make them, and
any may be killed at any point. What changes anything is done under a lease, after a look that was taken under it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.claims import Claim
from harness.cluster import lease
from harness.cluster.backend import Backend, Environment
from harness.cluster.submitting import Submitter
from harness.cluster.survey import Survey, Surveyor
from harness.estimate import Estimates
from harness.jobs import Job
from harness.schedule import order
from harness.store import Store
from slurm.cluster import Cluster
from slurm.requests import Submission

LEASE_SECONDS = 600.0
"""How long to wait for another harness that submits at the moment."""


@dataclass
class Pass:
    """What one pass found and did."""

    survey: Survey
    submitted: list[Submission] = field(default_factory=list)
    dropped: list[Submission] = field(default_factory=list)
    """Of earlier passes, which never reached Slurm."""
    called_off: int = 0
    note: str = ""
    """Why it submitted less than there was."""


@dataclass
class Driver:
    """Drives the jobs of one plan."""

    store: Store
    jobs: Sequence[Job]
    cluster: Cluster
    backend: Backend
    estimates: Estimates
    environment: Callable[[], Environment] = dict
    """What the jobs that are submitted next have besides their own, e.g. where their code is."""
    since: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.surveyor = Surveyor(self.store, self.jobs, self.cluster, self.backend, self.since)
        self._by_name = {job.name: job for job in self.jobs}

    def look(self) -> Survey:
        """Where everything stands; changes nothing."""
        return self.surveyor.survey()

    def make(self) -> Pass:
        """One pass.

        Raises:
            ConfigError: Slurm refuses a job, or is not there.
            StorageError: the store is full, read-only or gone.
        """
        survey = self.look()
        if not survey.changes:
            return Pass(survey)
        self.surveyor.home.try_writing()
        with lease.held(self.surveyor.home.lease, LEASE_SECONDS) as claim:
            if claim is None:
                return Pass(survey, note="another harness is submitting; this one waits")
            return self._act(claim)

    def _act(self, claim: Claim) -> Pass:
        home = self.surveyor.home
        survey = self.look()
        done = Pass(survey)
        if survey.queue.reachable:
            done.dropped = self.backend.settle(home.submissions, survey.submissions, survey.queue)
        home.journal.ended(survey.fresh)
        if survey.cancel:
            self.backend.cancel([identity for task, _ in survey.cancel if (identity := task.id)])
            home.journal.ended([ending for _, ending in survey.cancel])
            done.called_off = len(survey.cancel)
        wanted = [each.job for each in survey.wanting("submit")]
        if wanted and survey.queue.reachable:
            limit = self.backend.limit(self.cluster)
            seconds = {job.name: self.estimates.seconds(job) for job in wanted}
            submitter = Submitter(self.store, self.cluster, self.backend, claim, self.environment())
            done.submitted = submitter.submit(survey, order(wanted, seconds), limit)
            done.survey = self.look()
        return done
