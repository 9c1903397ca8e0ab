"""Passes over a plan: look, write down what was judged, call off what is in vain, submit the difference.

Nothing is remembered from one pass to the next: any number of harnesses, on whatever login nodes, may make them, and
any may be killed at any point. What changes anything is done under a lease, after a look that was taken under it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ground.errors import ConfigError
from harness.claims import Claim
from harness.cluster import lease
from harness.cluster.backend import Backend, Environment
from harness.cluster.failures import NO_FAILURES
from harness.cluster.journal import Ending
from harness.cluster.submitting import Submitter
from harness.cluster.survey import Survey, Surveyor, path_of
from harness.estimate import Estimates
from harness.jobs import Job
from harness.schedule import order
from harness.store import Store
from slurm.cluster import Cluster
from slurm.commands import Unavailable
from slurm.requests import Submission
from slurm.sweep import sweep

LEASE_SECONDS = 600.0
"""How long to wait for another harness that submits at the moment."""


@dataclass
class Pass:
    """What one pass found and did."""

    survey: Survey
    submitted: list[Submission] = field(default_factory=list)
    dropped: list[Submission] = field(default_factory=list)
    """Of earlier passes, which never reached Slurm."""
    judged: list[Ending] = field(default_factory=list)
    """Starts that were found to have ended badly, whoever is to blame."""
    called_off: int = 0
    note: str = ""
    """Why it submitted less than there was."""
    refused: dict[str, ConfigError] = field(default_factory=dict)
    """Jobs that Slurm did not take: given up from now on."""

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to do or to wait for."""
        return self.survey.settled


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
    asked_to_stop: Callable[[], bool] = lambda: False
    """Looked at between two submissions."""

    def __post_init__(self) -> None:
        self.surveyor = Surveyor(self.store, self.jobs, self.cluster, self.backend, self.since)
        self._learnt: set[str] = set()

    def look(self) -> Survey:
        """Where everything stands; changes nothing."""
        survey = self.surveyor.survey()
        for name, each in survey.standings.items():
            if each.state == "done" and name not in self._learnt:
                self._learnt.add(name)
                self.estimates.add(each.job, each.look.seconds)
        return survey

    def make(self) -> Pass:
        """One pass.

        Raises:
            ConfigError: there is no Slurm here.
            StorageError: the store is full, read-only or gone.
        """
        survey = self.look()
        lost = any(each.job_id is None and each.token not in survey.queue.foreign for each in survey.submissions)
        if not (survey.fresh or survey.cancel or lost or self._wanted(survey)):
            return Pass(survey)
        self.surveyor.home.try_writing()
        with lease.held(self.surveyor.home.lease, LEASE_SECONDS) as claim:
            if claim is None:
                return Pass(survey, note="another harness is submitting: this pass submitted nothing")
            return self._act(claim)

    def _wanted(self, survey: Survey) -> list[Job]:
        """What can be submitted now."""
        return [each.job for each in survey.wanting("submit")] if survey.queue.reachable else []

    def _act(self, claim: Claim) -> Pass:
        done = Pass(self.look())
        try:
            self._tidy(done, claim)
            if wanted := self._wanted(done.survey):
                self._submit(done, claim, wanted)
        except Unavailable as error:
            done.note = str(error)
        return done

    def _tidy(self, done: Pass, claim: Claim) -> None:
        """Write down what was judged, and call off what is in vain: first the act, then the word."""
        survey, home = done.survey, self.surveyor.home
        lease.keep(claim)  # the look before may have taken minutes
        if survey.queue.reachable:
            done.dropped = self.backend.settle(home.submissions, survey.submissions, survey.queue)
            finished = {path_of(each.job) for each in survey.standings.values() if each.state == "done"}
            sweep(home.submissions, survey.submissions, survey.queue, lambda task: task.name in finished)
        home.journal.ended(survey.fresh)
        ended = [*survey.fresh, *(ending for _, ending in survey.cancel)]
        done.judged = [each for each in ended if each.outcome not in NO_FAILURES]
        if survey.cancel:
            lease.keep(claim)
            self.backend.cancel([identity for task, _ in survey.cancel if (identity := task.id)])
            home.journal.ended([ending for _, ending in survey.cancel])
            done.called_off = len(survey.cancel)

    def _may(self, claim: Claim) -> Callable[[], bool]:
        """Whether to submit more: not once somebody took us for dead, or us ourselves are asked to stop."""
        return lambda: claim.holds() and not self.asked_to_stop()

    def _submit(self, done: Pass, claim: Claim, wanted: Sequence[Job]) -> None:
        seconds = {job.name: self.estimates.seconds(job) for job in wanted}
        submitter = Submitter(self.store, self.cluster, self.backend, self._may(claim), self.environment())
        try:
            submitter.submit(done.survey, order(wanted, seconds), self.backend.limit(self.cluster))
        finally:
            done.submitted, done.refused = submitter.made, submitter.refused
            paths = {job.name: path_of(job) for job in wanted}
            self.surveyor.home.journal.refused({paths[name]: str(error) for name, error in done.refused.items()})
        done.survey = self.look()
