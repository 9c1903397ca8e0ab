"""Jobs as processes of their own, through submitit; a bounded number of them at once.

submitit's local executor starts a small controller process that starts the job's process. Around it:

* a job is named by the dotted name of a function and plain arguments, so no closure is ever pickled;
* its environment is set before its interpreter starts (thread counts are read once, by the first library that asks);
* Ctrl-C reaches only the process that submitted: jobs have SIGINT blocked and are cancelled by SIGTERM;
* a job holds neither the terminal nor the pipe that its submitter writes to, so whoever reads it need not wait for it;
* each executor owns its folder, because submitit names files by pid and a pid comes again.

What became of a job's work is not asked here but read where the job wrote it: submitit calls a killed job finished.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.cores import JOBS_AT_ONCE
from ground.files import storage_errors

if TYPE_CHECKING:
    import submitit

FOREVER_MINUTES = 60 * 24 * 365
"""submitit ends a local job after two minutes unless told otherwise."""


@dataclass
class Handle:
    """One submitted job."""

    name: str
    gpu: str | None
    stdout: Path
    """What the job's process wrote before it had a log of its own; ``stderr`` likewise."""
    stderr: Path
    _job: submitit.Job[Any] = field(repr=False)

    def done(self) -> bool:
        """Whether the process is gone, whatever the reason."""
        return self._job.done()

    def cancel(self) -> None:
        """Ask the job to stop (SIGTERM, passed on by submitit's controller)."""
        if not self.done():  # not yet waited for, so the pid is still its own
            os.kill(int(self._job.job_id), signal.SIGTERM)

    def kill(self) -> None:
        """End the job's process and submitit's controller of it, now."""
        if not self.done():
            controller = int(self._job.job_id)
            for process in [*_children(controller), controller]:
                os.kill(process, signal.SIGKILL)


class Executor:
    """Runs functions in processes of their own, at most ``workers`` at once.

    Args:
        folder: where submitit keeps its files, for this executor alone; the caller removes it in the end.
        workers: processes at once.
        gpus: identifiers for ``CUDA_VISIBLE_DEVICES``; each job gets the one that fewest running jobs have.

    Raises:
        StorageError: the folder cannot be made.
    """

    def __init__(self, folder: Path, *, workers: int, gpus: tuple[str, ...] = ()) -> None:
        import submitit

        self.folder, self.workers, self.gpus = folder, workers, gpus
        with storage_errors(folder):
            self._submitit = submitit.AutoExecutor(folder=folder, cluster="local")
        self._submitit.update_parameters(timeout_min=FOREVER_MINUTES, name="harness")
        self._handles: list[Handle] = []

    def free(self) -> int:
        """How many more jobs may start now."""
        self._handles = [handle for handle in self._handles if not handle.done()]
        return self.workers - len(self._handles)

    def submit(self, function: str, *arguments: str, environment: Mapping[str, str | None] | None = None) -> Handle:
        """Start ``package.module:function`` with ``arguments``; waits while ``workers`` jobs run.

        ``environment`` is laid over this process's own; None unsets a variable.

        Raises:
            StorageError: the job could not be written down.
        """
        while self.free() <= 0:
            time.sleep(0.05)
        gpu = self._idlest_gpu()
        told = {JOBS_AT_ONCE: str(self.workers), **(environment or {})}
        with storage_errors(self.folder), _environment(told), _detached():
            job = self._submitit.submit(call, function, gpu, *arguments)
        handle = Handle(function, gpu, job.paths.stdout, job.paths.stderr, job)
        self._handles.append(handle)
        return handle

    def stop(self, grace_seconds: float) -> None:
        """Cancel what runs and wait; after ``grace_seconds`` kill it."""
        deadline = time.monotonic() + grace_seconds
        for handle in self._handles:
            handle.cancel()
        while self.free() < self.workers and time.monotonic() < deadline:
            time.sleep(0.05)
        for handle in self._handles:
            handle.kill()
        while self.free() < self.workers:
            time.sleep(0.05)

    def _idlest_gpu(self) -> str | None:
        taken = [handle.gpu for handle in self._handles]
        return min(self.gpus, key=taken.count, default=None)


def call(function: str, gpu: str | None, *arguments: str) -> object:
    """In the job's process: import ``package.module:function`` and call it.

    submitit's local executor hides every GPU from a job that it gave none, so the choice is made here.
    """
    logging.getLogger("submitit").setLevel(logging.WARNING)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    module, _, name = function.partition(":")
    target: Callable[..., object] = getattr(importlib.import_module(module), name)
    return target(*arguments)


def visible_gpus() -> tuple[str, ...]:
    """Identifiers of the NVIDIA GPUs that this process may use, found without loading CUDA."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return tuple(part.strip() for part in chosen.split(",") if part.strip() not in {"", "-1"})
    return tuple(sorted((path.name[6:] for path in Path("/dev").glob("nvidia[0-9]*")), key=int))


def _children(pid: int) -> list[int]:
    """Processes that ``pid`` started and that still are."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@contextmanager
def _environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """``os.environ`` with ``variables``, which a process started inside inherits; those that are None are absent."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _detached() -> Iterator[None]:
    """A process started inside has SIGINT blocked and our stdout and stderr closed; for us nothing changes.

    A SIGINT that arrives meanwhile is delivered afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    ours = [stream.fileno() for stream in (sys.__stdout__, sys.__stderr__) if stream is not None]
    for descriptor in ours:
        os.set_inheritable(descriptor, False)
    try:
        yield
    finally:
        for descriptor in ours:
            os.set_inheritable(descriptor, True)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
