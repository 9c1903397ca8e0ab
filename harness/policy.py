"""What ``--rerun`` means for runs that there are already. One word; nothing is deleted, only set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from harness.jobs import Job
from harness.store import Store, shelve

Policy = Literal["missing", "retry", "force", "never"]
MENDED_OUTSIDE = frozenset({"storage", "memory", "node"})
"""Failures of the machine, not of the job: they are tried again by every policy that runs anything."""


def apply(store: Store, jobs: Sequence[Job], policy: Policy) -> None:
    """Set aside what ``policy`` does not let stand; jobs that run at this moment stay, and what they read from.

    ``missing`` runs what has no record: never started, or interrupted. ``retry`` also runs what failed. ``force``
    runs everything once more from the beginning, whatever the jobs rest on included. ``never`` runs nothing.

    Raises:
        StorageError: the store cannot be written.
    """
    if policy == "never":
        return
    in_use = store.read_from() if policy == "force" else set()
    for job, look in store.looks(jobs):
        if look.state == "running":
            continue
        if policy == "force" and job.kind != "import":  # a file is what it is, and may be gone
            if store.directory(job).exists() and store.directory(job) not in in_use:
                store.set_aside(job)
        elif look.state == "failed" and (policy != "missing" or look.error_kind in MENDED_OUTSIDE):
            shelve(store.directory(job) / "record.json", "failed")
