"""How a job tells the outside how far it is: ``progress.json``, for the eye only."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ground.progress import WAITED
from ground.stopping import Stopped
from harness.claims import Claim
from harness.curve import Curve

PROGRESS_SECONDS = 0.5


class Progress:
    """The room's reports as ``progress.json``, at most two a second, and all losses as ``curve.csv``; stops a job that
    was taken over."""

    def __init__(self, directory: Path, claim: Claim) -> None:
        self._path, self._claim = directory / "progress.json", claim
        self.curve = Curve(directory)
        self._started, self._written = time.monotonic(), 0.0
        self._first: tuple[int, float] | None = None
        self._state: dict[str, Any] = {"step": 0, "total": 0, "numbers": {}}
        before = _before(self._path)
        self._before, self._waited_before = before.get("seconds", 0.0), before.get("waited")
        self._waited: float | None = None

    def __call__(self, step: int, total: int, **numbers: float) -> None:
        """``step`` of ``total`` are done."""
        if "loss" in numbers:
            self.curve.add(step, numbers["loss"])
        self._waited = numbers.pop(WAITED, self._waited)
        now = time.monotonic()
        self._first = self._first or (step, now)
        self._state = {"step": step, "total": total, "numbers": {name: float(value) for name, value in numbers.items()}}
        if now - self._written >= PROGRESS_SECONDS:
            self._written = now
            self.show()
            if not self._claim.holds():
                raise Stopped("another process has taken the job over")

    def seconds(self) -> float:
        """Time spent on the job over all attempts."""
        return self._before + time.monotonic() - self._started

    def waited(self) -> float | None:
        """Seconds of them for want of data; None if nobody ever said so."""
        if self._waited is None:
            return self._waited_before
        return (self._waited_before or 0.0) + self._waited

    def show(self) -> None:
        """Write the last report down. A failure to do so is worth a line in the log, not the job."""
        state = {**self._state, "seconds": round(self.seconds(), 2), "left": self._left()}
        if (waited := self.waited()) is not None:
            state["waited"] = round(waited, 2)
        temporary = self._path.with_name(f".progress.{os.getpid()}.part")
        try:
            temporary.write_text(json.dumps(state))
            os.replace(temporary, self._path)
        except OSError as error:
            print(f"progress: {error}", flush=True)

    def _left(self) -> float | None:
        """Seconds to go at the pace of this attempt."""
        if self._first is None or self._state["step"] <= self._first[0]:
            return None
        pace = (time.monotonic() - self._first[1]) / float(self._state["step"] - self._first[0])
        return round(pace * float(self._state["total"] - self._state["step"]), 2)


def _before(path: Path) -> dict[str, float]:
    """``seconds`` and ``waited`` of earlier attempts, as far as they are there."""
    try:
        told = json.loads(path.read_text())
        return {name: float(told[name]) for name in ("seconds", "waited") if name in told}
    except (OSError, ValueError, KeyError, TypeError):  # the first attempt, or nothing readable
        return {}
