"""What a run would hand to Slurm now, on paper: the same code decides and writes the scripts, and nothing is submitted.

Works where no Slurm answers: then arrays are as large as the profile says, or Slurm's default, and what was submitted
before counts as still in the queue.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ground.errors import UserError
from harness import snapshot
from harness.cluster import keeper
from harness.cluster.backend import Environment, Slurm
from harness.cluster.home import Home
from harness.cluster.submitting import Submitter
from harness.cluster.survey import Surveyor
from harness.estimate import Estimates
from harness.jobs import Job
from harness.plan import Plan
from harness.schedule import order
from harness.store import Store
from slurm.batch import Batch
from slurm.cluster import Cluster
from slurm.requests import Entry, Queue, Request, Submission, Task
from slurm.tokens import Call, folder_of

DEFAULT_ARRAY = 1001
"""Slurm's own MaxArraySize unless a site changes it."""


@dataclass
class Paper(Slurm):
    """A Slurm that only takes notes."""

    written: list[tuple[Submission, Call]] = field(default_factory=list)
    problem: str = ""
    """Why the real one could not be asked."""
    keeper: str = ""
    """The one that is in the queue already, of those that a run with ``--detach`` wants."""

    def limit(self, cluster: Cluster) -> int:
        """See ``Backend``."""
        try:
            return super().limit(cluster)
        except UserError as error:
            self.problem = str(error)
            return DEFAULT_ARRAY

    def look(self, cluster: Cluster, submissions: Sequence[Submission]) -> Queue:
        """See ``Backend``."""
        try:
            seen = super().look(cluster, submissions)
        except UserError as error:
            seen = Queue(reachable=False, problem=str(error))
        if seen.reachable:
            return seen
        self.problem = seen.problem
        waiting = [
            Entry(each.token, index, each.id_of(index), "pending", "PENDING")
            for each in submissions
            for index in range(len(each.tasks))
        ]
        return Queue(reachable=True, entries=tuple(waiting))

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
        number = len(self.written) + 1
        made = Submission(f"hb-{number:012x}", request, tuple(tasks), tuple(after), time.time(), f"ARRAY{number}")
        self.written.append((made, Call(function, dict(environment))))
        return made


class Rehearsal(Submitter):
    """Submits, and leaves the store as it is."""

    def _make_ready(self, job: Job, stands: str) -> None:
        pass


def rehearse(plan: Plan, store: Store, cluster: Cluster, estimates: Estimates, *, detach: bool = False) -> Paper:
    """What a pass over a plan would submit; with ``detach`` the keeper, too, that would see to what is left.

    Raises:
        ConfigError: the profile cannot give a job what it needs.
    """
    paper = Paper()
    survey = Surveyor(store, plan.jobs, cluster, paper, time.time()).survey()
    wanted = [each.job for each in survey.wanting("submit")]
    seconds = {job.name: estimates.seconds(job) for job in wanted}
    environment = snapshot.environment(snapshot.planned(store.root))
    submitter = Rehearsal(store, cluster, paper, lambda: True, environment)
    submitter.submit(survey, order(wanted, seconds), paper.limit(cluster))
    if detach and cluster.keeper is not None and not survey.settled:
        _keeper(paper, Home(store), cluster, environment)
    return paper


def _keeper(paper: Paper, home: Home, cluster: Cluster, environment: Environment) -> None:
    """Note the keeper, unless there is one."""
    try:
        folder = keeper.folder_of(home, paper)
    except UserError as error:
        paper.problem, folder = str(error), home.keeper / "slurm"
    known = keeper.keepers(paper, home) if home.used() else []
    queue = paper.look(cluster, known)
    there = keeper.staying([each for each in known if each.token not in queue.foreign], queue, folder)
    if there is not None:
        paper.keeper = there.job_id or there.token
    else:
        keeper.submit(paper, home, cluster, folder.name, environment)


def lines(plan: Plan, store: Store, cluster: Cluster, paper: Paper) -> Iterator[str]:
    """The scripts, each with the list of its tasks; all else is a comment."""
    jobs = {f"{job.kind}/{job.name}": job for job in plan.jobs}
    arrays = [made for made, _ in paper.written if made.tasks[0].name != keeper.TASK]
    total = sum(len(made.tasks) for made in arrays)
    more = " and a keeper" if len(arrays) < len(paper.written) else ""
    yield f"# {total} jobs in {len(arrays)} arrays{more}; nothing is submitted"
    if paper.keeper:
        yield f"# the keeper {paper.keeper} is in the queue already and would look after them"
    if paper.written:
        yield "# hb-… and ARRAY… stand for the names that they will have"
    if paper.problem:
        yield f"# Slurm was not asked how large arrays may be, or what is in the queue: {paper.problem}"
    if not plan.generated:
        yield "# the scenes are generated first: only then are the keys in the names of the folders known"
    for made, call in paper.written:
        yield ""
        own = made.tasks[0].name == keeper.TASK
        words = "the keeper, which starts anew what is lost" if own else f"{len(made.tasks)} jobs"
        yield f"# ---- {made.job_id}: {words}"
        folder = folder_of(Home(store).submissions, made.token)
        yield Batch(folder, cluster, made, call).text().rstrip()
        for index, task in enumerate(made.tasks):
            title = "keeper" if own else jobs[task.name].title
            yield f"# task {index}: {title}: {' '.join(task.arguments)}"
