"""What a job rests on, waited for: a job that Slurm starts a moment too early is neither failed nor done."""

from __future__ import annotations

import time
from pathlib import Path

from ground import stopping
from harness import allocation, records
from harness.jobs import Job

PATIENCE_SECONDS = 90.0
"""How long a file may take to be seen on another node: a minute by the defaults of NFS, and a little more."""
LOOK_SECONDS = 2.0


def missing(job: Job, directory: Path) -> str:
    """The first job that ``job`` rests on and that is not done, in words; empty if all are.

    Inside Slurm they are waited for. Elsewhere whoever starts a job has seen them, and what is missing is its failure.

    Raises:
        Stopped: asked to stop.
    """
    if not allocation.here():
        return ""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while words := _first(job, directory):
        stopping.check()
        if time.monotonic() >= deadline:
            return words
        time.sleep(LOOK_SECONDS)
    return ""


def _first(job: Job, directory: Path) -> str:
    for parent in job.parents.values():
        place = directory.parent.parent / parent.kind / parent.name
        record, problem = records.read(place, parent)
        if record is None and not problem:
            return f"{place}: there is no record yet"
        if record is not None and record["status"] != "done":
            return f"{place}: has failed"
    return ""
