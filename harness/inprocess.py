"""``--cluster debug``: jobs in this very process, one after the other, where a debugger sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import worker
from harness.reconcile import Process


@dataclass(frozen=True)
class Over:
    """A job that has ended by the time that anybody asks."""

    stdout: Path
    stderr: Path

    def done(self) -> bool:
        """Always."""
        return True


class InProcess:
    """In the place of ``slurm.executor.Executor``. What jobs print goes to the terminal and not to their logs.

    Variables of the environment that libraries read when they are loaded are as they were when the harness started.
    """

    def __init__(self, folder: Path) -> None:
        self._nothing = folder / "no output apart"

    def free(self) -> int:
        """One at a time."""
        return 1

    def submit(self, function: str, *arguments: str, environment: Mapping[str, str | None] | None = None) -> Process:
        """Do a job. An exception that is no record of its own reaches the caller."""
        directory, *over = arguments
        worker.execute(Path(directory), *map(int, over))
        return Over(self._nothing, self._nothing)

    def stop(self, grace_seconds: float) -> None:
        """Nothing runs between two jobs."""
