"""Whether owners of claims on other machines live: by hearts that beat, or stand still, while somebody looks on.

Times of two clocks are never compared to decide that: a clock that is off would make the living look dead and the dead
alive. Who looks only once must guess, and then by the clock that stamps the files.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.claims import Attempt

HEARTBEAT_SECONDS = 10.0
DEAD_AFTER_SECONDS = 60.0
PATIENCE_SECONDS = DEAD_AFTER_SECONDS + HEARTBEAT_SECONDS
"""For how long one has to look on at most until there is no doubt."""
MOST_OF_SILENCE = 0.5
"""That the time between two looks counts for at most: a file server that hangs holds up a look and the heart alike."""
FRESH_SECONDS = 10.0


@dataclass(frozen=True)
class _Seen:
    """Of one heart: its last beat, when it was looked at last, for how long it stood still, whether it ever beat."""

    beat: float
    looked: float
    silent: float
    beats: bool


class Watch:
    """Judges owners by what it has seen of their hearts so far; it has to look again and again."""

    def __init__(self) -> None:
        self._seen: dict[Path, _Seen] = {}

    def sees(self, attempt: Attempt) -> bool | None:
        """Whether an owner lives; None while it is in doubt: of one that we cannot see, until its heart has beaten or
        has stood still for a minute before our eyes."""
        if (known := attempt.known()) is not None:
            return known
        now, before = time.monotonic(), self._seen.get(attempt.path)
        if before is None or before.beat != attempt.heartbeat:
            seen = _Seen(attempt.heartbeat, now, 0.0, beats=before is not None)
        else:
            passed = min(now - before.looked, DEAD_AFTER_SECONDS * MOST_OF_SILENCE)
            seen = replace(before, looked=now, silent=before.silent + passed)
        self._seen[attempt.path] = seen
        if seen.silent >= DEAD_AFTER_SECONDS:
            return False
        return True if seen.beats else None

    def lives(self, attempt: Attempt, clock: Clock) -> bool:
        """As ``sees``; while that is in doubt, a guess: whether its heart has beaten within a minute of now."""
        seen = self.sees(attempt)
        return abs(clock.now() - attempt.heartbeat) < DEAD_AFTER_SECONDS if seen is None else seen


class Clock:
    """The one that stamps the files of a folder: that of a file server, if it is on one. This machine's, where nothing
    can be written there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = -FRESH_SECONDS
        self._ahead = 0.0

    def now(self) -> float:
        """Seconds since 1970, by that clock."""
        moment = time.monotonic()
        if moment - self._read >= FRESH_SECONDS:
            self._read, self._ahead = moment, self._stamp() - moment
        return moment + self._ahead

    def _stamp(self) -> float:
        """The time of a file made now, which nobody else gets to see."""
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                return os.fstat(file.fileno()).st_mtime
        except OSError:  # read-only, full, or not there
            return time.time()
