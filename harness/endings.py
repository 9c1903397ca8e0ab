"""How an attempt ended: ``attempts/0003.end`` beside the claim. An attempt that left none was killed without a word.

Every attempt that has an end is over, whatever its heartbeat. A failure, of whatever class, has a record, too: it is
the record that says a job has failed, and taking it away (`store.shelve`) is what lets the job be tried again. Ends
stay: by them a policy counts how often a job failed in which way.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ground.files import write_json

How = Literal["done", "failed", "stopped"]


@dataclass(frozen=True)
class End:
    """The last word of an attempt."""

    outcome: How
    seconds: float
    """Of this attempt."""
    kind: str = ""
    """Class of a failure, as in the record: ``memory``, ``node``, ``data``, …"""
    message: str = ""
    """Of a failure, or why it stopped."""
    signal: str = ""
    """``SIGUSR2``: its time is nearly up. ``SIGTERM``: told to go at once. Empty where no signal stopped it."""
    requeued: bool = False
    """Slurm was asked to start the job anew and did not refuse: nobody else needs to."""
    host: str = ""
    slurm: str = ""
    """``123_4``; empty outside Slurm. ``restart`` counts how often that job had been requeued before."""
    restart: int = 0
    at: float = 0.0
    """Seconds since 1970."""


def path_of(attempts: Path, number: int) -> Path:
    """Where the end of an attempt lies."""
    return attempts / f"{number:04d}.end"


def write(attempts: Path, number: int, end: End) -> None:
    """Leave the last word.

    Raises:
        StorageError: the disk is full, read-only or gone.
    """
    write_json(path_of(attempts, number), {**asdict(end), "at": time.time()})


def read(attempts: Path, number: int) -> End | None:
    """How an attempt ended; None if it has not, or left no word."""
    try:
        value: Any = json.loads(path_of(attempts, number).read_text(encoding="utf-8"))
        return End(**value)
    except (OSError, ValueError, TypeError):  # none, or not written by this version
        return None


def all_of(attempts: Path) -> dict[int, End | None]:
    """Every attempt by number, the first one first; None for one that goes on or was killed without a word."""
    try:
        numbers = sorted(int(name) for name in os.listdir(attempts) if name.isdigit())
    except FileNotFoundError:
        return {}
    return {number: read(attempts, number) for number in numbers}
