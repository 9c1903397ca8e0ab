"""A job's own process, or one of several: claim the run, do it, write down what came of it.

Of several processes (``WORLD_SIZE``, ``RANK``) the first claims and writes, the others follow it (`ranks`).
"""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Literal

from ground import stopping
from ground.progress import silent
from ground.stopping import Stopped
from harness import allocation, attempt, claims, hearts, launch, parents, provenance, ranks, records, store
from harness.attempt import Attempt, now
from harness.jobs import Job
from harness.ranks import Ranks

Outcome = Literal["done", "failed", "not mine", "stopped", "too early"]
SIGNALS = (signal.SIGUSR2, signal.SIGTERM)
"""The time limit is near; go."""
EXIT_CODES: dict[Outcome, int] = {"done": 0, "failed": 1, "not mine": 3, "stopped": 4, "too early": 5}
"""Of the process: 0 only if the job is done, so that what Slurm starts ``afterok`` finds it so."""


def environment(threads: int) -> dict[str, str | None]:
    """Variables for a job's process: libraries read them when they are loaded. None is to be unset."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    fixed = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    # Left over from torchrun or a batch script around the harness, these would make a job wait for others in vain.
    return {**dict.fromkeys(names, str(threads)), **fixed, **dict.fromkeys(launch.NAMES)}


def apart(threads: int) -> dict[str, str | None]:
    """`environment` of a job that is not Slurm's own: where it was started inside a job of Slurm it must not know."""
    return {**environment(threads), **dict.fromkeys(allocation.NAMES)}


def main(directory: str, over: str = "0") -> int:
    """A job's whole process; its exit code. Its output goes to ``log.txt``; SIGTERM, and SIGUSR2 where its time is
    nearly up, ask it to leave a checkpoint and go.

    A job of several processes that was started as one starts the others here, on this machine.

    Args:
        directory: of the run.
        over: number of the last attempt that is known to be over, if it left no word of that itself.
    """
    path = Path(directory)
    others = launch.others(path)
    own = ranks.here(path)
    log_to(path / "log.txt" if own is None or own.rank == 0 else own.folder / f"log-{own.rank}.txt")
    faulthandler.enable()
    stopping.listen(*SIGNALS)
    # Slurm signals every process of a job. Those that read data for it must live while it finishes its step.
    os.register_at_fork(after_in_child=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS))
    outcome: Outcome = "failed"
    try:
        outcome = execute(path, int(over))
    except Stopped as reason:
        print(f"{now()} stopped: {reason}", flush=True)
        outcome = "stopped"
    finally:
        for child in multiprocessing.active_children():  # deaf to SIGTERM, by which Python would end them
            child.kill()
        launch.end(others)
    if own is not None and outcome != "done":  # what waits for the other processes would hold up the exit of this one
        sys.stdout.flush()
        os._exit(EXIT_CODES[outcome])
    return EXIT_CODES[outcome]


def log_to(path: Path) -> None:
    """Send this process's output, its libraries' included, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    logging.basicConfig(format="%(message)s")
    for room in provenance.ROOMS:
        logging.getLogger(room).setLevel(logging.INFO)


def execute(directory: Path, over: int = 0) -> Outcome:
    """Do the job in ``directory``, unless it is done or somebody alive has it; attempts up to ``over`` are over.

    Returns:
        What the job has come to; "not mine" if somebody else is at work on it, "too early" if what it rests on is not
        done.

    Raises:
        StorageError: there is no job here, or the record cannot be written.
        Stopped: asked to stop or taken over; no record is written.
    """
    own = ranks.here(directory)
    if own is not None and own.rank:
        return _follow(store.read_job(directory), directory, own)
    decided = False
    try:
        job = store.read_job(directory)
        claim, outcome = _claim(job, directory, over)
        if own:
            own.decide(claim.number if claim else None)
        decided = True
    finally:
        if own and not decided:
            own.decide(None)
    if claim is None:
        return outcome
    try:
        return Attempt(job, directory, claim, own).run()
    finally:
        claim.rest()


def _claim(job: Job, directory: Path, over: int) -> tuple[claims.Claim | None, Outcome]:
    """The right to do the job; without, what it has come to."""
    claim = claims.acquire(directory / "attempts", hearts.PATIENCE_SECONDS, over=over)
    if claim is None:
        return None, "not mine"
    record, problem = records.read(directory, job)
    if record is not None:  # it was finished between the plan and now
        claim.release()
        return None, "done" if record["status"] == "done" else "failed"
    try:
        early = parents.missing(job, directory)
    except Stopped:
        claim.release()
        raise
    if early:
        print(f"{now()} too early: {early}", flush=True)
        claim.release()
        return None, "too early"
    if problem:
        store.shelve(directory / "record.json", "bad")
    return claim, "stopped"


def _follow(job: Job, directory: Path, own: Ranks) -> Outcome:
    """Work along with the first process, which has the claim."""
    number = own.decision()
    if number is None:
        return "done"  # the first process's exit code says what there was
    parents.missing(job, directory)  # what the first one saw may be seen here a minute later
    try:
        _, error = attempt.doing(job, directory, silent)
    except Stopped:
        stopping.deafen()
        own.farewell(number)
        raise
    if error:
        print(f"{now()} failed: {error['kind']}: {error['message']}", flush=True)
        own.tell_fault(error)
        own.farewell(number)
        return "failed"
    own.tell_done({"rank": own.rank, "device": provenance.device(job.threads), **provenance.host()})
    return "done"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
