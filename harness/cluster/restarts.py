"""Starts of a task that nobody saw end: their node died, Slurm itself started the task anew, and it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness import claims, endings
from harness.claims import Owner
from harness.cluster.backend import Backend
from harness.cluster.journal import Ending
from slurm.cluster import Cluster
from slurm.requests import Entry, Submission
from slurm.tokens import Ended

WORDS = "gone without a word, its batch script too; Slurm has started it anew"
_PUT_OFF = frozenset({"PREEMPTED", "REQUEUED"})
"""Slurm's words for a start that it has ended itself, for no fault of the node."""
AGAIN_SECONDS = 60.0
"""After which accounting is asked again about a submission."""
LATE_SECONDS = 900.0
"""After the last beat of its heart, that accounting gets to say how a start ended."""


class Words:
    """Accounting's for starts that are over. Passes follow each other closely, and an answer may take many seconds: it
    is asked once a minute about a submission, and what it has said stays."""

    def __init__(self, cluster: Cluster, backend: Backend) -> None:
        self._cluster, self._backend = cluster, backend
        self._said: dict[str, Mapping[tuple[int, int], str]] = {}
        self._asked: dict[str, float] = {}
        self._none = False

    def of(self, submission: Submission, index: int, restart: int) -> str:
        """How a start of a task ended; empty while accounting does not say."""
        token, place, now = submission.token, (index, restart), time.monotonic()
        if place not in self._said.get(token, {}) and now - self._asked.get(token, -AGAIN_SECONDS) >= AGAIN_SECONDS:
            said = self._backend.starts(self._cluster, submission)
            self._none = said is None
            self._said[token] = {**self._said.get(token, {}), **(said or {})}
            self._asked[token] = time.monotonic()
        return self._said.get(token, {}).get(place, "")

    def awaited(self, silent: float) -> bool:
        """Whether one that it does not know yet may still get a word: the daemon may be late, or away for a while.
        ``silent``: seconds since the start's heart beat last."""
        return not self._none and abs(silent) < LATE_SECONDS


def over(entry: Entry) -> int:
    """How many starts of a task are over by Slurm's word. It counts one as soon as it tells it to go: until that has
    gone it may still save, and say its last word."""
    return max(entry.restarts - (entry.state == "COMPLETING"), 0)


def blamed(ending: Ending, word: str) -> Ending:
    """The ending of a lost start with what it counts as. ``word``: accounting's for it, empty if that has none."""
    if word in _PUT_OFF:
        return replace(ending, outcome="preempted", words=f"{WORDS} ({word}, says accounting: not for its node)")
    return ending


def lost(attempts: Path, identity: str, restarts: int, told: Sequence[Ended]) -> list[tuple[Owner, float]]:
    """Owners of the attempts of earlier starts of a task that left no last word, the first one first, and when their
    hearts beat last.

    Args:
        attempts: of the task's run.
        identity: Slurm's of the task, ``123_4``.
        restarts: how often Slurm has started it anew.
        told: starts whose batch scripts lived to tell how they ended, so that their nodes did, too.
    """
    lived = {each.restart for each in told}
    found: dict[int, tuple[Owner, float]] = {}
    for number, end in endings.all_of(attempts).items():
        attempt = claims.at(attempts, number) if end is None else None
        owner = attempt.owner if attempt else None
        if (
            attempt is not None
            and owner is not None
            and owner.slurm == identity
            and owner.restart < restarts
            and owner.restart not in lived
        ):
            found[owner.restart] = owner, attempt.heartbeat
    return list(found.values())
