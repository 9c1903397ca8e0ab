"""Drive a plan to its end: what is wanted is compared with what the store holds, and the difference is run.

Nothing is remembered but how often a job was started: every decision is made on a fresh look at the store, so any
number of harnesses may drive one store, and any of them may be killed at any time.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from harness import worker
from harness.estimate import Estimates
from harness.jobs import Job, Parent
from harness.schedule import order
from harness.store import Look, Store, shelve

TICK_SECONDS = 0.2
ELSEWHERE_SECONDS = 1.0
"""How often to look at jobs that another harness runs."""
STARTS = 3
"""A job that ends without a record (killed, out of memory) is started so often in one run."""
GRACE_SECONDS = 15.0


@dataclass(frozen=True)
class Running:
    """A job at work and how far it says it is; ``elsewhere`` if another harness started it."""

    job: Job
    progress: dict[str, Any]
    elsewhere: bool


class Process(Protocol):
    """A job that was started. See ``slurm.executor.Handle``."""

    @property
    def stdout(self) -> Path:
        """What it wrote before it had a log of its own; ``stderr`` likewise."""

    @property
    def stderr(self) -> Path:
        """See ``stdout``."""

    def done(self) -> bool:
        """Whether it is over, whatever the reason."""


class Runner(Protocol):
    """Who starts jobs. See ``slurm.executor.Executor``."""

    def free(self) -> int:
        """How many more may start now."""

    def submit(self, function: str, *arguments: str, environment: Mapping[str, str | None] | None = None) -> Process:
        """Start one."""

    def stop(self, grace_seconds: float) -> None:
        """End those that run."""


class Listener(Protocol):
    """Who is told what happens."""

    def started(self, job: Job, starts: int) -> None:
        """A process for ``job`` was started, for the ``starts``-th time."""

    def ended(self, job: Job, look: Look) -> None:
        """``job`` is done, failed, or interrupted for good."""

    def tick(self, running: Sequence[Running], left: Sequence[Job]) -> None:
        """Called before anything starts and then some times a second, with what runs and all that is not finished, the
        running included."""

    def stopping(self) -> None:
        """A signal came: running jobs are asked to stop."""


@dataclass
class Result:
    """How it ended, by job name."""

    done: dict[str, Look] = field(default_factory=dict)
    failed: dict[str, Look] = field(default_factory=dict)
    """Failed, or interrupted time and again."""
    blocked: dict[str, str] = field(default_factory=dict)
    """Job → the failed job that it waits for, at whatever distance."""
    problems: list[str] = field(default_factory=list)
    """Files that do not count, and why."""
    signal: int = 0
    """The signal that ended it early, if one did."""


class Reconciler:
    """One run of ``jobs`` against ``store``; ``survey`` first, then ``run``, each once.

    Args:
        jobs: parents before children.
        estimates: learns from every finished job.
    """

    def __init__(self, store: Store, jobs: Sequence[Job], estimates: Estimates) -> None:
        self._store, self._jobs, self._estimates = store, {job.name: job for job in jobs}, estimates
        self._mine: dict[str, Process] = {}
        self._elsewhere: set[str] = set()
        self._starts: dict[str, int] = {}
        self._pending: set[str] = set()
        self._revived: list[Job] = []
        self._looked = 0.0
        self.result = Result()

    def survey(self) -> list[Job]:
        """What there is to do: jobs that are neither done nor failed, nor wait for a failed one. Changes nothing."""
        for job, look in self._store.looks(self._jobs.values()):
            if look.problem:
                self.result.problems.append(look.problem)
            self._note(job, look)
        self._revive_parents()
        self._block()
        return [self._jobs[name] for name in self._left()]

    def _note(self, job: Job, look: Look) -> None:
        if look.state == "done":
            self.result.done[job.name] = look
            self._estimates.add(job, look.seconds)
        elif look.state == "failed":
            self.result.failed[job.name] = look
        else:
            self._pending.add(job.name)

    def _revive_parents(self) -> None:
        """A finished job whose files are gone is wanted again if something waits for them; so is what it needs then."""
        for job in reversed(self._jobs.values()):
            if job.name in self._pending:
                for parent in job.parents.values():
                    self._revive(parent)

    def _revive(self, parent: Parent) -> None:
        look = self.result.done.get(parent.name)
        gone = self._store.gone(self._jobs[parent.name], look) if look else []
        if gone:
            self.result.problems += [f"{path}: is gone and has to be made again" for path in gone]
            del self.result.done[parent.name]
            self._pending.add(parent.name)
            self._revived.append(self._jobs[parent.name])

    def run(self, executor: Runner, listener: Listener) -> Result:
        """Until every job is done, failed or blocked, or SIGINT or SIGTERM comes; jobs stay resumable.

        Raises:
            StorageError: the store is full, read-only or gone.
        """
        for job in self._revived:
            shelve(self._store.directory(job) / "record.json", "gone")
        for name in self._left():
            self._store.prepare(self._jobs[name])
        with signals() as received:
            try:
                while (self._pending or self._mine or self._elsewhere) and not received:
                    self._collect(listener)
                    self._block()
                    listener.tick(self._running(), [self._jobs[name] for name in self._left()])
                    self._start(executor, listener)
                    time.sleep(TICK_SECONDS)
                if received:
                    listener.stopping()
            finally:
                executor.stop(GRACE_SECONDS)
        self.result.signal = received[0] if received else 0
        return self.result

    def _left(self) -> list[str]:
        return [name for name in self._jobs if name in self._pending or name in self._mine or name in self._elsewhere]

    def _collect(self, listener: Listener) -> None:
        """Judge jobs whose process is gone, and from time to time those that others run."""
        for name, handle in list(self._mine.items()):
            if handle.done():
                del self._mine[name]
                self._judge(self._jobs[name], listener, self._first_words(handle))
        if time.monotonic() - self._looked > ELSEWHERE_SECONDS:
            self._looked = time.monotonic()
            for name in sorted(self._elsewhere):
                self._elsewhere.remove(name)
                self._judge(self._jobs[name], listener)

    def _judge(self, job: Job, listener: Listener, words: str = "") -> None:
        """Sort a job by what the store says of it now."""
        look = self._store.look(job)
        if look.state in {"done", "failed"}:
            self._finish(job, look, listener)
        elif look.state == "running":
            self._elsewhere.add(job.name)
        elif self._starts.get(job.name, 0) < STARTS:
            self._pending.add(job.name)
        else:
            self._store.append_log(job, words)
            self._finish(job, look, listener)

    def _finish(self, job: Job, look: Look, listener: Listener) -> None:
        self._pending.discard(job.name)
        if look.state == "done":
            self.result.done[job.name] = look
            self._estimates.add(job, look.seconds)
        else:
            self.result.failed[job.name] = look
        listener.ended(job, look)

    def _block(self) -> None:
        """Give up what waits for something that failed, at whatever distance."""
        for job in self._jobs.values():
            culprits = [name for parent in job.parents.values() if (name := self._culprit(parent))]
            if culprits and job.name in self._pending:
                self._pending.remove(job.name)
                self.result.blocked[job.name] = culprits[0]

    def _culprit(self, parent: Parent) -> str | None:
        """The failed job for which a parent will never be done, if there is one."""
        return parent.name if parent.name in self.result.failed else self.result.blocked.get(parent.name)

    def _start(self, executor: Runner, listener: Listener) -> None:
        """Start ready jobs while there is room, those first that hold up most."""
        room = executor.free()
        if room <= 0 or not self._pending:
            return
        waiting = [self._jobs[name] for name in self._left()]
        seconds = {job.name: self._estimates.seconds(job) for job in waiting}
        for job in order(waiting, seconds):
            ready = all(parent.name in self.result.done for parent in job.parents.values())
            if room > 0 and ready and job.name in self._pending:
                room -= self._start_one(job, executor, listener)

    def _start_one(self, job: Job, executor: Runner, listener: Listener) -> int:
        """Start a job unless somebody else did or has; the number of processes started."""
        look = self._store.look(job)
        self._pending.discard(job.name)
        if look.state in {"done", "failed"}:
            self._finish(job, look, listener)
            return 0
        if look.state == "running":
            self._elsewhere.add(job.name)
            return 0
        self._starts[job.name] = self._starts.get(job.name, 0) + 1
        over = self._store.over(look.attempt)
        arguments = str(self._store.directory(job).absolute()), *([str(over)] if over else [])
        environment = worker.apart(job.threads)
        self._mine[job.name] = executor.submit("harness.worker:main", *arguments, environment=environment)
        listener.started(job, self._starts[job.name])
        return 1

    def _running(self) -> list[Running]:
        names = [*self._mine, *sorted(self._elsewhere)]
        jobs = [self._jobs[name] for name in names]
        return [Running(job, self._store.progress(job), job.name in self._elsewhere) for job in jobs]

    @staticmethod
    def _first_words(handle: Process) -> str:
        """What a process said before it had its log."""
        return "".join(path.read_text(errors="replace") for path in (handle.stdout, handle.stderr) if path.exists())


@contextmanager
def signals() -> Iterator[list[int]]:
    """SIGINT and SIGTERM are noted in the list instead of ending the process; a second SIGINT does end it."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
