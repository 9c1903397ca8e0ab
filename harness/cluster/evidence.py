"""What is left of one start of a job: its record, its log, the word of Slurm, what its batch script saw."""

from __future__ import annotations

import os
from pathlib import Path

from harness.claims import Attempt
from harness.cluster import failures
from harness.cluster.failures import Evidence, Outcome
from harness.endings import End
from harness.store import Look
from slurm.requests import Entry, Submission
from slurm.tokens import Ended, ended, log

LOG_BYTES = 4000


class Traces:
    """Reads them, each folder once."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ends: dict[str, dict[int, list[Ended]]] = {}

    def judge(
        self, directory: Path, look: Look, submission: Submission, index: int, entry: Entry | None
    ) -> tuple[Outcome, str]:
        """How a task of a submission, which has ended, did so, short of success."""
        last = self.last(submission, index, entry)
        code = last.code if last else None
        identity = submission.id_of(index) if submission.job_id else ""
        attempt = look.attempt
        if attempt is not None and (attempt.owner is None or attempt.owner.slurm != identity):
            attempt = None  # of an earlier start
        end = attempt.end if attempt else None
        own = tail(directory / "log.txt").rpartition(f" attempt {attempt.number}: ")[2] if attempt else ""
        return failures.classify(
            Evidence(
                error=look.error_kind or (end.kind if end else ""),
                message=look.message or (end.message if end else ""),
                stopped=_stopped(end) if end else "",
                state=" ".join((entry.state, entry.reason)).strip() if entry else "",
                exit_code=code,
                log=own + tail(log(self._home, submission, index)),
                started=code is not None or attempt is not None or look.record is not None,
                after=bool(submission.after),
                claimed=look.record is not None or (attempt is not None and _of_last_start(attempt, entry)),
                status=entry.exit_code if entry else "",
                seconds=last.seconds if last else None,
            )
        )

    def last(self, submission: Submission, index: int, entry: Entry | None) -> Ended | None:
        """How the last start of a task ended, by its batch script; None if that did not live to tell."""
        starts = self.ends(submission, index)
        return starts[-1] if starts and (entry is None or starts[-1].restart >= entry.restarts) else None

    def ends(self, submission: Submission, index: int) -> list[Ended]:
        """Of all starts of a task whose batch scripts lived to tell."""
        if submission.token not in self._ends:
            self._ends[submission.token] = ended(self._home, submission)
        return self._ends[submission.token].get(index, [])


def _of_last_start(attempt: Attempt, entry: Entry | None) -> bool:
    """Whether it was not made before Slurm started its job anew."""
    return entry is None or attempt.owner is None or attempt.owner.restart >= entry.restarts


def _stopped(end: End) -> str:
    """What made an attempt go by itself; empty if it did not."""
    return "limit" if end.signal == "SIGUSR2" else end.signal


def tail(path: Path) -> str:
    """The last lines of a log; empty if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - LOG_BYTES, 0))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
