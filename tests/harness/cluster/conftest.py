"""A Slurm that exists only in this process: its tasks run when the test says so, in the test's own process."""

import itertools
import time
from pathlib import Path

import pytest

from harness import worker
from harness.cluster.driver import Driver
from harness.estimate import Estimates
from harness.store import Store
from slurm.cluster import Cluster
from slurm.origin import Origin
from slurm.requests import Entry, Queue, Submission


class StandIn:
    """Implements ``harness.cluster.backend.Backend``.

    ``ends[name]`` is a list of what becomes of the coming starts of a job: a word of Slurm's for one that is ended
    before it does anything, or None for one that is left to work.
    """

    def __init__(self, limit=1000):
        self.array_limit, self.away, self.forgets = limit, "", False
        self.submissions, self.entries, self.calls, self.cancelled, self.ends = [], {}, [], [], {}
        self.after_sbatch = lambda submission: None
        self.numbers = itertools.count(100)
        self.foreign = {}  # token → whose it is
        self.words = {}  # (task, start) → accounting's word for its end

    # What the harness calls

    def check(self, cluster, requests):
        pass

    def origin(self):
        return Origin("tests", 0)

    def limit(self, cluster):
        return self.array_limit

    def known(self, home):
        return list(self.submissions)

    def look(self, cluster, submissions):
        if self.away:
            return Queue(reachable=False, problem=self.away)
        asked = {each.token for each in submissions}
        self._doom()
        entries = [e for e in self.entries.values() if e.token in asked and not (self.forgets and e.phase == "ended")]
        return Queue(reachable=True, entries=tuple(entries), foreign=self.foreign)

    def starts(self, cluster, submission):
        return self.words

    def settle(self, home, submissions, queue):
        dropped = [each for each in self.submissions if each.job_id is None]
        self.submissions = [each for each in self.submissions if each.job_id is not None]
        return dropped

    def submit(self, home, cluster, request, tasks, after, *, function, environment):
        assert function == ("harness.cluster.keeper:main" if tasks[0].name == "keeper" else "harness.worker:main")
        assert len(tasks) <= self.array_limit
        number = next(self.numbers)
        submission = Submission(f"hb-{number:012x}", request, tuple(tasks), tuple(after), time.time(), str(number))
        self.submissions.append(submission)
        self.calls.append(submission)
        for index in range(len(tasks)):
            place, reason = (submission.token, index), "Dependency" if after else "Resources"
            self.entries[place] = Entry(*place, submission.id_of(index), "pending", "PENDING", reason)
        self.after_sbatch(submission)
        return submission

    def cancel(self, ids):
        self.cancelled += ids
        for place, entry in list(self.entries.items()):
            if entry.job_id in ids and entry.phase != "ended":
                self.entries[place] = changed(entry, "ended", "CANCELLED")

    # What the test does

    def work(self):
        """Start whatever may start, until nothing may."""
        while ready := [
            place for place, entry in self.entries.items() if entry.phase == "pending" and self._may(entry)
        ]:
            for place in ready:
                self._start(place)

    def work_when_looked_at(self, every=1):
        """From now on whatever may start does so when somebody looks, every so many times."""
        look, looks = self.look, itertools.count(1)

        def at_work(cluster, submissions):
            if next(looks) % every == 0:
                self.work()
            return look(cluster, submissions)

        self.look = at_work

    def names(self):
        """Names of all tasks submitted so far, without their keys, in order."""
        return [task.name.rpartition("-")[0] for each in self.calls for task in each.tasks]

    def say(self, name, *words, **more):
        """Slurm's word on the latest task of a job: see ``changed``."""
        found = [(s.token, i) for s in self.submissions for i, t in enumerate(s.tasks) if t.name.startswith(name)]
        self.entries[found[-1]] = changed(self.entries[found[-1]], *words, **more)

    # Its inside

    def _of(self, entry):
        return next(each for each in self.submissions if each.token == entry.token)

    def _start(self, place):
        entry = self.entries[place]
        task = self._of(entry).tasks[entry.index]
        state = (self.ends.get(task.name.rpartition("-")[0]) or [None]).pop(0)
        if state is None:
            directory, *over = task.arguments
            outcome = worker.execute(Path(directory), *map(int, over))
            state = "FAILED" if outcome in {"failed", "too early"} else "COMPLETED"
        self.entries[place] = changed(entry, "ended", state, nodes="n1")

    def _may(self, entry):
        if self._of(entry).tasks[0].name == "keeper":
            return False
        states = {each.job_id: each.state for each in self.entries.values()}
        return all(states.get(parent, "COMPLETED") == "COMPLETED" for parent in self._of(entry).after)

    def _doom(self):
        """Children of what ended badly will never start."""
        bad = {e.job_id for e in self.entries.values() if e.phase == "ended" and e.state != "COMPLETED"}
        for place, entry in self.entries.items():
            if entry.phase == "pending" and bad & set(self._of(entry).after):
                self.entries[place] = changed(entry, "pending", "PENDING", "DependencyNeverSatisfied")


def changed(entry, phase, state, reason="", nodes="", restarts=0):
    return Entry(entry.token, entry.index, entry.job_id, phase, state, reason, nodes or entry.nodes, "", restarts)


@pytest.fixture
def slurm():
    return StandIn()


@pytest.fixture
def cluster():
    return Cluster(description="of the tests", poll_seconds=0.01)


@pytest.fixture
def drive(place, planned, slurm, cluster):
    """``drive(jobs=…, cluster=…)``: a driver of the planned jobs."""

    def make(jobs=planned.jobs, cluster=cluster, backend=slurm, **more):
        return Driver(Store(place.store), jobs, cluster, backend, Estimates(planned.profile.seconds), **more)

    return make


@pytest.fixture
def one(planned):
    """The pre-training of BYOL alone."""
    return planned.jobs[:1]
