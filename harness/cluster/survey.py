"""Where a plan's jobs stand: the run store, what was submitted, what the queue says. Changes nothing.

The queue is looked at before the store: what a task has written by the time that Slurm calls it ended is seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from harness.cluster import needs, retries, worked
from harness.cluster import restarts as restarts_of
from harness.cluster.backend import Backend
from harness.cluster.evidence import Traces
from harness.cluster.failures import NO_FAILURES, Outcome
from harness.cluster.home import KEEPER, Home
from harness.cluster.journal import Ending, History
from harness.cluster.retries import Case, Step
from harness.hearts import Clock
from harness.jobs import Job
from harness.store import Look, Store
from slurm.cluster import Cluster
from slurm.requests import Entry, Queue, Submission

NEVER = "DependencyNeverSatisfied"
HELD = "launch failed requeued held"
BAD_ENDS = frozenset({"failed", "blocked"})


@dataclass(frozen=True)
class Live:
    """A task that is, or may be, in the queue."""

    submission: Submission
    index: int
    entry: Entry | None
    """None where Slurm did not answer, or nobody knows yet whether sbatch took it."""
    foreign: str = ""
    """``cluster a`` or ``user x`` if it is another's: only they can tell whether it is in their queue."""

    @property
    def id(self) -> str | None:
        """Slurm's; None while nobody knows it, and of another's: here it may be that of any job."""
        if self.foreign:
            return None
        if self.submission.job_id is None:
            return self.entry.job_id if self.entry else None
        return self.submission.id_of(self.index)

    @property
    def running(self) -> bool:
        """Whether Slurm says so."""
        return self.entry is not None and self.entry.phase == "running"

    @property
    def never(self) -> bool:
        """Whether it waits for something that will not come."""
        return self.entry is not None and NEVER in self.entry.reason

    @property
    def held(self) -> bool:
        """Whether Slurm keeps it in the queue for good after a node that could not start it."""
        return self.entry is not None and self.entry.phase == "pending" and HELD in self.entry.reason.casefold()


@dataclass(frozen=True)
class Standing:
    """Where one job stands, and what comes next."""

    job: Job
    look: Look
    live: Live | None
    endings: tuple[Ending, ...]
    """How its earlier starts ended, the oldest first."""
    step: Step

    stands: str = ""
    """Why its record has to go before it starts again: ``failed``, or ``gone`` of one whose files are."""

    @property
    def state(self) -> str:
        """In a word."""
        return self.look.state

    @property
    def why(self) -> str:
        """Why it is not done, in words: what went wrong last, if anything did, and what comes."""
        bad = [each for each in self.endings if each.outcome not in NO_FAILURES]
        if self.state in {"preempted", "interrupted"} and bad and bad[-1].words not in self.step.words:
            return f"{bad[-1].words}; {self.step.words}"
        return self.step.words

    @property
    def where(self) -> str:
        """`` on n1 (123_4)``; empty if Slurm says nothing of it."""
        if self.live is None or not self.live.running or self.live.entry is None:
            return ""
        return f" on {self.live.entry.nodes} ({self.live.id})"


@dataclass
class Survey:
    """A plan's jobs, all of them."""

    standings: dict[str, Standing]
    queue: Queue
    history: History
    fresh: list[Ending] = field(default_factory=list)
    """Endings that the journal does not have yet."""
    cancel: list[tuple[Live, Ending]] = field(default_factory=list)
    """Tasks that have to go from the queue, and what to write down of them."""
    submissions: Sequence[Submission] = ()

    def judged(self, ending: Ending) -> None:
        """Count an ending that the journal is to have."""
        self.fresh.append(ending)
        self.history.add(ending)

    def call_off(self, task: Live, ending: Ending) -> None:
        """A task has to go."""
        self.cancel.append((task, ending))
        self.history.add(ending)

    @property
    def looks(self) -> dict[str, Look]:
        """By job name, as ``status.matrix`` wants them."""
        return {name: each.look for name, each in self.standings.items()}

    def wanting(self, action: str) -> list[Standing]:
        """Those whose next step is this one."""
        return [each for each in self.standings.values() if each.step.action == action]

    @property
    def in_queue(self) -> int:
        """How many of our jobs are in the queue, of whatever plan; keepers, which look after them, are none."""
        keepers = {each.token for each in self.submissions if each.tasks[0].name == KEEPER}
        return sum(each.phase != "ended" and each.token not in keepers for each in self.queue.entries)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        return not any(each.step.action in {"submit", "wait"} for each in self.standings.values())


class Surveyor:
    """Looks at one plan again and again.

    Args:
        jobs: parents before children.
        since: what was cancelled by ``harness cancel`` after this moment is left alone (seconds since 1970).
    """

    def __init__(self, store: Store, jobs: Sequence[Job], cluster: Cluster, backend: Backend, since: float) -> None:
        self._store, self._jobs, self._cluster, self._backend = store, jobs, cluster, backend
        self.home, self._since = Home(store), since
        self._names = {path_of(job): job for job in jobs}
        self._words, self._clock = restarts_of.Words(cluster, backend), Clock(store.root)

    def survey(self) -> Survey:
        """Look at everything once."""
        history = self.home.journal.read()
        submissions = self._backend.known(self.home.submissions) if self.home.used() else []
        tasks, opened = self._unjudged(submissions, history)
        queue = self._backend.look(self._cluster, opened) if opened else Queue(reachable=True)
        entries = {(each.token, each.index): each for each in queue.entries}
        traces = Traces(self.home.submissions)
        found = Survey({}, queue, history, submissions=submissions)
        latest = {task.name: each.created for each in submissions for task in each.tasks}
        for job, look, gone in self._looks():
            path = path_of(job)
            own = [
                Live(each, index, entries.get((each.token, index)), queue.foreign.get(each.token, ""))
                for each, index in tasks.get(path, ())
            ]
            live = self._sift(job, look, own, found, traces)
            found.standings[job.name] = self._stand(job, look, live, found, latest.get(path, 0.0), gone)
        return found

    def _looks(self) -> Iterator[tuple[Job, Look, bool]]:
        """Each job, what its directory says, and whether it is finished for nothing: its files are gone and something
        that is not finished needs them. Then it counts as interrupted."""
        looks = {job.name: look for job, look in self._store.looks(self._jobs)}
        revived: dict[str, bool] = {}
        for job in reversed(self._jobs):
            if looks[job.name].state != "done" or revived.get(job.name):
                for parent in job.parents.values():
                    look = looks.get(parent.name)
                    if look is not None and parent.name not in revived:
                        revived[parent.name] = look.state == "done" and bool(self._store.gone(parent, look))
        for job in self._jobs:
            gone = revived.get(job.name, False)
            yield job, Look("interrupted") if gone else looks[job.name], gone

    def _unjudged(
        self, submissions: Sequence[Submission], history: History
    ) -> tuple[dict[str, list[tuple[Submission, int]]], list[Submission]]:
        """Job → its tasks that may be in the queue still; and the submissions to ask about: with a limit on our jobs
        in the queue, those of other plans, too."""
        tasks: dict[str, list[tuple[Submission, int]]] = {}
        opened: dict[str, Submission] = {}
        for submission in submissions:
            for index, task in enumerate(submission.tasks):
                if (submission.token, index) in history.closed:
                    continue
                if task.name in self._names:
                    tasks.setdefault(task.name, []).append((submission, index))
                if task.name in self._names or self._cluster.max_jobs or submission.job_id is None:
                    opened[submission.token] = submission
        return tasks, list(opened.values())

    def _sift(self, job: Job, look: Look, tasks: Sequence[Live], found: Survey, traces: Traces) -> Live | None:
        """The one task of a job that stands for it in the queue; the others are judged or called off. That of another
        cluster or user is neither; a record of failure is its end, wherever it ran."""
        live: Live | None = None
        for each in (task for task in tasks if not task.foreign):
            over = found.queue.reachable and (each.entry.phase == "ended" if each.entry else each.id is not None)
            if over and look.state == "done":
                found.judged(_ending(job, each, "done", ""))
            elif over and look.state != "running":  # a heart that still seems to beat is given time
                found.judged(self._judge(job, look, each, found, traces))
            elif over:
                continue
            elif each.never:
                found.call_off(each, _ending(job, each, "orphan", "what it waited for did not end well"))
            elif each.held:
                found.call_off(each, _ending(job, each, "node", "its node could not start it, and Slurm holds it back"))
            elif live is None:
                live = each
                self._restarts(job, look, each, found, traces)
            else:
                gone, live = (live, each) if each.running and not live.running else (each, live)
                found.call_off(gone, _ending(job, gone, "withdrawn", "in the queue twice"))
        if live is None and look.state != "failed":
            return next((each for each in tasks if each.foreign), None)
        return live

    def _stand(self, job: Job, look: Look, live: Live | None, found: Survey, submitted: float, gone: bool) -> Standing:
        """See what comes next, and give up in the queue what is given up."""
        parents = [found.standings[each.name] for each in job.parents.values() if each.name in found.standings]
        blocking = next((each for each in parents if each.state in BAD_ENDS), None)
        path = path_of(job)
        counted = found.history.counted(path)
        case = Case(
            job=job,
            look=look,
            live=live is not None,
            reachable=found.queue.reachable,
            counted=counted,
            hours=self._hours(job, look, counted, found.history),
            withdrawn=found.history.cancelled.get(path, 0.0) > max(self._since, submitted),
            blocked_by=blocking.job if blocking else None,
            refused=self._refused(path, found.history, submitted),
        )
        step = retries.decide(case, self._cluster)
        if live is not None and live.foreign:
            if step.action == "wait" and look.state != "running":
                step = replace(step, words=f"submitted before, and belongs to {live.foreign}: it is seen to there")
        elif live is not None and step.action == "give up":
            found.call_off(live, _ending(job, live, "withdrawn", step.words))
            live = None
        requeued = bool(live and live.entry and live.entry.restarts)
        state = retries.state(case, step, requeued=requeued)
        history = tuple(found.history.endings.get(path, ()))
        stands = "gone" if gone else "failed" if look.state == "failed" else ""
        return Standing(job, replace(look, state=state), live, history, step, stands)

    def _refused(self, path: str, history: History, submitted: float) -> str:
        """Slurm's words on a job that it did not take, unless somebody asked for it anew since."""
        at, words = history.refused.get(path, (0.0, ""))
        return words if at > max(self._since, submitted, history.pardoned.get(path, 0.0)) else ""

    def _restarts(self, job: Job, look: Look, task: Live, found: Survey, traces: Traces) -> None:
        """Count what became of starts of a task that Slurm itself has begun anew, where they left no word. While
        accounting may still tell whose fault one was, it is nobody's; and it stays so if the task ends meanwhile."""
        owner = look.attempt.owner if look.attempt else None
        restarts = restarts_of.over(task.entry) if task.entry else 0
        if owner is not None and owner.slurm == task.id:
            restarts = max(restarts, owner.restart)
        if not restarts:
            return
        told = traces.ends(task.submission, task.index)
        for gone, beat in restarts_of.lost(self._store.directory(job) / "attempts", task.id or "", restarts, told):
            ending = _ending(job, task, "node", restarts_of.WORDS)
            ending = replace(ending, nodes=gone.nodes or gone.host, restart=gone.restart, step=self._step(job))
            if not found.history.knows(ending):
                word = self._words.of(task.submission, task.index, gone.restart)
                if word or not self._words.awaited(self._clock.now() - beat):
                    found.judged(restarts_of.blamed(ending, word))

    def _step(self, job: Job) -> int:
        """How far a job says it is."""
        step = self._store.progress(job).get("step")
        return step if isinstance(step, int) else 0

    def _judge(self, job: Job, look: Look, task: Live, found: Survey, traces: Traces) -> Ending:
        withdrawn = found.history.cancelled.get(path_of(job), 0.0) >= task.submission.created
        if withdrawn and look.record is None:
            return _ending(job, task, "withdrawn", "cancelled by harness cancel")
        directory = self._store.directory(job)
        outcome, words = traces.judge(directory, look, task.submission, task.index, task.entry)
        self._restarts(job, look, task, found, traces)
        ending = replace(_ending(job, task, outcome, words), step=self._step(job))
        last = traces.last(task.submission, task.index, task.entry)
        return ending if ending.nodes else replace(ending, nodes=_node(look, task) or (last.nodes if last else ""))

    def _hours(self, job: Job, look: Look, counted: Sequence[Ending], history: History) -> float:
        """At work since its last pardon, by what its attempts say themselves; one that was ended at its limit was there
        so long, whatever it said."""
        if look.state == "done":
            return 0.0
        limits = sum(each.outcome == "timeout" for each in counted) * needs.resources(self._cluster, job.kind).hours
        if look.state not in {"running", "interrupted", "failed"}:  # it never got as far as an attempt
            return limits
        path, told = path_of(job), worked.told(self._store.progress(job))
        since, before = history.pardoned.get(path, 0.0), history.worked.get(path, 0.0)
        return max(worked.hours(self._store.directory(job) / "attempts", told, since=since, before=before), limits)


def path_of(job: Job) -> str:
    """What a task of a job is called."""
    return f"{job.kind}/{job.name}"


def _ending(job: Job, task: Live, outcome: Outcome, words: str) -> Ending:
    nodes = task.entry.nodes if task.entry else ""
    return Ending(task.submission.token, task.index, path_of(job), outcome, words, time.time(), nodes)


def _node(look: Look, task: Live) -> str:
    """Where a task ran by what it wrote down itself, once Slurm has forgotten it."""
    if look.record is not None:
        return str(look.record["host"].get("name", ""))
    owner = look.attempt.owner if look.attempt else None
    return owner.nodes or owner.host if owner is not None and owner.slurm == task.id else ""
