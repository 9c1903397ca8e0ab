"""How long a job was at work over all its starts, Slurm's own requeues among them: what `max_hours` bounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import claims, endings
from harness.endings import End


def told(progress: Mapping[str, Any]) -> float:
    """Seconds over all attempts, by what a job reports."""
    return float(progress.get("seconds", 0.0))


def hours(attempts: Path, told: float, *, since: float, before: float) -> float:
    """Hours since a job was last pardoned.

    Args:
        attempts: the folder of its claims and last words.
        told: seconds over all attempts by the job's own report.
        since: when it was pardoned, in seconds since 1970; 0 if never.
        before: what ``told`` was then.
    """
    spans = (_span(attempts, number, end, since) for number, end in endings.all_of(attempts).items())
    return max(sum(spans), told - before) / 3600


def _span(attempts: Path, number: int, end: End | None, since: float) -> float:
    """Seconds of one attempt; of one without a last word, from its claim to its last heartbeat."""
    if end is not None:
        over, lasted = end.at, end.seconds
    else:
        attempt = claims.at(attempts, number)
        if attempt is None or attempt.owner is None or not attempt.owner.at:  # gone, or of before that was written down
            return 0.0
        over, lasted = attempt.heartbeat, attempt.heartbeat - attempt.owner.at
    return max(min(lasted, over - since), 0.0)
