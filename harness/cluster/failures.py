"""How a task ended, short of success, judged by all there is to see: never by accounting alone.

What the job itself wrote down comes first, then Slurm's own word where it has one, then what the batch script saw.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

FailureClass = Literal["memory", "diverged", "data", "node", "timeout", "code", "preempted", "storage", "unknown"]
Outcome = Literal[FailureClass, "done", "orphan", "withdrawn"]
"""``orphan``: never started, for what it rests on ended badly. ``withdrawn``: cancelled by ``harness cancel``. Neither
counts as a failure."""

NO_FAILURES = frozenset({"done", "orphan", "withdrawn"})

_OF_RECORD: dict[str, FailureClass] = {
    "memory": "memory", "diverged": "diverged", "data": "data", "weights": "data", "node": "node", "storage": "storage",
}  # fmt: skip
"""Classes of the kinds of error in a record; any other is of the code or its settings."""
_OF_SLURM: dict[str, tuple[FailureClass, str]] = {
    "OUT_OF_MEMORY": ("memory", "Slurm ended it: out of memory"),
    "TIMEOUT": ("timeout", "Slurm ended it at its time limit"),
    "DEADLINE": ("timeout", "Slurm ended it at its deadline"),
    "NODE_FAIL": ("node", "its node failed"),
    "BOOT_FAIL": ("node", "its node did not boot"),
    "PREEMPTED": ("preempted", "another job took its place"),
}
_OUT_OF_MEMORY = re.compile(r"oom[-_ ]kill|out of memory|exceeded (job )?memory limit", re.IGNORECASE)
"""The kernel's words and, where Slurm itself looks at what a job uses, Slurm's."""
BUS_ERROR, KILLED, TOLD_TO_GO = 128 + 7, 128 + 9, 128 + 15
LAUNCH_FAILED = "JobLaunchFailure"
_NEVER_BEGAN = {
    75: "the store cannot be read or written there",
    126: "a program cannot be run there",
    127: "a program is not found there",
}
"""Exit codes of a batch script whose job did not begin."""
_OF_SLURM_ITSELF = "0:53"
"""Status of a job whose batch script could not be started: its output could not be opened, its folder is not there."""
QUICK_SECONDS = 60
"""A process that ends by itself in less, and has not claimed its run, did not get through its start."""
TOO_EARLY = 5
_OURS = frozenset({0, 3, 4, TOO_EARLY})
"""Exit codes of a job that had nothing to claim: done, somebody else's, told to go, too early."""


@dataclass(frozen=True)
class Evidence:
    """What is left of one start of a job."""

    error: str = ""
    """Kind of the error in its record; empty without a record."""
    message: str = ""
    """Of the error."""
    stopped: str = ""
    """Why its last attempt went by itself: ``limit`` or the name of a signal; empty if it did not say."""
    state: str = ""
    """Slurm's word for how it ended; empty if it has none any more."""
    exit_code: int | None = None
    """Of srun, as the batch script saw it."""
    log: str = ""
    """Last lines."""
    started: bool = True
    """Whether anything of it was seen to run."""
    after: bool = False
    """Whether it waited for others."""
    claimed: bool = True
    """Whether it got so far as to claim its run."""
    status: str = ""
    """Exit code and signal by Slurm's word, ``3:0``; empty if it has none any more."""
    seconds: int | None = None
    """That its batch script had; None if that did not say."""


def classify(seen: Evidence) -> tuple[Outcome, str]:
    """The class and, in words, why."""
    state = seen.state.partition(" ")[0]
    if seen.error and state == "OUT_OF_MEMORY" and seen.error not in _OF_RECORD:
        return "memory", f"out of memory by Slurm's word, whence {seen.error}: {seen.message}"
    if seen.error:
        return _OF_RECORD.get(seen.error, "code"), f"{seen.error}: {seen.message}"
    if state in _OF_SLURM and state != "PREEMPTED":
        return _OF_SLURM[state]
    if _OUT_OF_MEMORY.search(seen.log):
        return "memory", "its log says: out of memory"
    if seen.stopped == "limit":
        return "timeout", "stopped before its time limit, with a checkpoint"
    if state in _OF_SLURM:
        return _OF_SLURM[state]
    if not seen.claimed and state != "CANCELLED" and (words := _of_its_node(seen)):
        return "node", f"did not begin: {words}"
    if not seen.started and seen.after:
        return "orphan", "never started: what it waited for did not end well"
    if state == "CANCELLED":
        return "unknown", f"cancelled by somebody ({seen.state})"
    if seen.stopped:
        return "preempted", f"stopped by {seen.stopped}"
    return _by_exit_code(seen)


def _of_its_node(seen: Evidence) -> str:
    """Why a start that did not claim its run failed for where it was; empty if that is not to be seen."""
    if LAUNCH_FAILED in seen.state or seen.status == _OF_SLURM_ITSELF:
        return "Slurm could not start its batch script there"
    code = seen.exit_code
    if code is None and seen.status.endswith(":0"):
        code = int(seen.status.partition(":")[0])
    if code in _NEVER_BEGAN:
        return f"exit code {code}, {_NEVER_BEGAN[code]}"
    if code is None or code in _OURS or code > 128 or seen.seconds is None or seen.seconds >= QUICK_SECONDS:
        return ""
    return f"exit code {code} after {seen.seconds} s, without a first word"


def _by_exit_code(seen: Evidence) -> tuple[Outcome, str]:
    if seen.exit_code == TOO_EARLY:
        return "unknown", "started before it could see the records of what it rests on"
    if seen.exit_code == BUS_ERROR:
        return "node", "bus error"
    if seen.exit_code == TOLD_TO_GO and not seen.state:  # Slurm has forgotten whose signal it was
        return "preempted", "ended by SIGTERM"
    if seen.exit_code == KILLED:
        return "unknown", "killed (signal 9) without a word: by whom, or out of memory, nothing says"
    if seen.exit_code:
        return "unknown", f"ended with exit code {seen.exit_code} and without a record"
    if not seen.started:
        return "unknown", f"never started{f' ({seen.state})' if seen.state else ''}"
    return "unknown", f"ended without a record{f' ({seen.state})' if seen.state else ''}"
