"""What is handed to Slurm and what comes back: the words that the harness and this room share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Request:
    """What sbatch is asked for. Tasks of equal requests and dependencies share an array."""

    nodes: int
    tasks_per_node: int
    gpus_per_node: int
    cpus_per_task: int
    minutes: int
    memory_mb: int | None = None
    """Of a node, for all its tasks."""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: tuple[str, ...] = ()
    """Nodes that have failed."""


@dataclass(frozen=True)
class Task:
    """One job of the harness: an element of an array."""

    name: str
    """``kind/directory`` of its run: unique in a store."""
    arguments: tuple[str, ...]
    """Of the function that every task of a submission calls."""


@dataclass(frozen=True)
class Submission:
    """An array as it was written down before sbatch was called."""

    token: str
    """Also the name of the job in Slurm, by which it is found should its id be lost."""
    request: Request
    tasks: tuple[Task, ...]
    after: tuple[str, ...]
    """Ids of Slurm jobs (``123`` or ``123_4``) that have to end well before."""
    created: float
    """Seconds since 1970."""
    job_id: str | None = None
    """None while nobody knows whether sbatch took it."""
    cluster: str = ""
    """``ClusterName`` of the Slurm that was asked, and ``uid`` of whoever asked it; unknown of old submissions."""
    uid: int | None = None

    def id_of(self, index: int) -> str:
        """Slurm's id of a task."""
        return f"{self.job_id}_{index}"


Phase = Literal["pending", "running", "ended"]


@dataclass(frozen=True)
class Entry:
    """What Slurm says of one task now."""

    token: str
    index: int
    job_id: str
    """``123_4``."""
    phase: Phase
    state: str
    """Slurm's own word: PENDING, RUNNING, COMPLETED, OUT_OF_MEMORY, …"""
    reason: str = ""
    """Why it waits, or why it ended."""
    nodes: str = ""
    exit_code: str = ""
    restarts: int = 0


@dataclass(frozen=True)
class Queue:
    """All tasks of ours that Slurm knows. Where ``reachable`` is False nothing was learnt: absence means nothing."""

    reachable: bool
    entries: tuple[Entry, ...] = ()
    problem: str = ""
    """Slurm's own words where it did not answer."""
    foreign: Mapping[str, str] = field(default_factory=dict)
    """Token → ``cluster a`` or ``user x``, of submissions that are not ours: of them nothing is learnt here either."""
