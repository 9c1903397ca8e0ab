"""Submissions that nobody needs any more are removed, so that they do not accumulate for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from slurm import tokens
from slurm.requests import Queue, Submission, Task

KEEP_SECONDS = 24 * 3600.0
"""How long a submission is kept, for whoever wants to look at it, and what was never written down whole."""


def sweep(
    home: Path, submissions: Sequence[Submission], queue: Queue, done: Callable[[Task], bool], now: float | None = None
) -> list[Submission]:
    """Remove submissions of a day ago or more of which Slurm has no task any more and whose jobs are all done; their
    logs go with them.

    Those with a job that is not done stay: their logs and exit codes say why, and what comes next depends on them.

    Args:
        submissions: as listed before ``queue`` was looked at. What is not known to be over is left alone.
        done: whether the job of a task has its result.

    Returns:
        What was removed; nothing where the queue did not answer.

    Raises:
        StorageError: the disk is read-only.
    """
    if not queue.reachable:
        return []
    now = time.time() if now is None else now
    old = [each for each in submissions if each.job_id and now - each.created > KEEP_SECONDS]
    alive = {entry.token for entry in queue.entries if entry.phase != "ended"} | set(queue.foreign)
    over = [each for each in old if each.token not in alive and all(map(done, each.tasks))]
    for each in over:
        tokens.remove(tokens.folder_of(home, each.token))
    _clear(home, now)
    return over


def _clear(home: Path, now: float) -> None:
    """Remove folders whose submitter was killed before it had written anything, and remains of a sweep cut short."""
    for folder in tokens.remains(home):
        if now - folder.stat().st_mtime > KEEP_SECONDS:
            tokens.remove(folder)
