"""Starts of a task that nobody saw end: their node died, Slurm itself started the task anew, and it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness import claims, endings
from harness.claims import Owner
from harness.cluster.journal import Ending
from slurm.requests import Entry
from slurm.tokens import Ended

WORDS = "gone without a word, its batch script too; Slurm has started it anew"
_PUT_OFF = frozenset({"PREEMPTED", "REQUEUED"})
"""Slurm's words for a start that it has ended itself, for no fault of the node."""


def over(entry: Entry) -> int:
    """How many starts of a task are over by Slurm's word. It counts one as soon as it tells it to go: until that has
    gone it may still save, and say its last word."""
    return max(entry.restarts - (entry.state == "COMPLETING"), 0)


def blamed(ending: Ending, word: str) -> Ending:
    """The ending of a lost start with what it counts as. ``word``: accounting's for it, empty if that has none."""
    if word in _PUT_OFF:
        return replace(ending, outcome="preempted", words=f"{WORDS} ({word}, says accounting: not for its node)")
    return ending


def lost(attempts: Path, identity: str, restarts: int, told: Sequence[Ended]) -> list[Owner]:
    """Owners of the attempts of earlier starts of a task that left no last word, the first one first.

    Args:
        attempts: of the task's run.
        identity: Slurm's of the task, ``123_4``.
        restarts: how often Slurm has started it anew.
        told: starts whose batch scripts lived to tell how they ended, so that their nodes did, too.
    """
    lived = {each.restart for each in told}
    found: dict[int, Owner] = {}
    for number, end in endings.all_of(attempts).items():
        attempt = claims.at(attempts, number) if end is None else None
        owner = attempt.owner if attempt else None
        if owner is not None and owner.slurm == identity and owner.restart < restarts and owner.restart not in lived:
            found[owner.restart] = owner
    return list(found.values())
