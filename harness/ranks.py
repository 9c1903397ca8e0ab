"""Several processes that do one job together: the first one claims it and writes its record, the others follow.

They know each other by what their launcher says (``WORLD_SIZE``, ``RANK``) and meet in a folder of the run that is
theirs alone, ``ranks/<launch>/``: one for each start by Slurm. No torch, no network: files that all nodes see.

    attempt.json     by the first process: the number of its claim; none if there is nothing to do
    fault-1.json     by one that failed: class and words, for the record
    process-1.json   by one that is done: its host and device, for the record
    log-1.txt        its output
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ground import stopping
from ground.files import write_json
from harness import allocation, claims, endings

LAUNCH = "HARNESS_LAUNCH"
"""Variable that names a start where neither Slurm nor a common parent process does."""
LOOK_SECONDS = 0.5
WATCH_SECONDS = 2.0
"""Between two looks for a fault while the room works: for weeks, on a file system that others use."""
PATIENCE_SECONDS = 600.0
"""How long the others wait for the first process's decision; it may have to wait for a dead owner's heartbeat."""
FAREWELL_SECONDS = 120.0
"""How long one that has failed or stopped waits for the first one's last word: once it is gone, all are ended."""
ROUND_SECONDS = 10.0
"""How long the first process, told of a fault elsewhere, is given to find out itself."""
NODE_FAULTS = frozenset({"node", "code"})
"""What may only be the consequence of another process's fault."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of its job."""

    rank: int
    world: int
    folder: Path
    attempts: Path

    def decide(self, number: int | None) -> None:
        """By the first: the others work for its claim, or go."""
        write_json(self.folder / "attempt.json", {"number": number})

    def decision(self) -> int | None:
        """What the first process has decided, once it has.

        Raises:
            TimeoutError: it has not.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (told := _read(self.folder / "attempt.json")) is None:
            stopping.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.rank} has waited {PATIENCE_SECONDS:.0f} s for the first of its job")
            time.sleep(LOOK_SECONDS)
        number = told["number"]
        return None if number is None else int(number)

    def tell_fault(self, error: Mapping[str, str]) -> None:
        """By another: what the record is to say."""
        write_json(self.folder / f"fault-{self.rank}.json", dict(error))

    def fault(self, seconds: float = 0.0) -> dict[str, str] | None:
        """What another process has failed at, waited for so long; its own fault before what may follow from others'."""
        deadline = time.monotonic() + seconds
        while True:
            faults = [_read(path) for path in sorted(self.folder.glob("fault-*.json"))]
            found = sorted((each for each in faults if each), key=lambda each: each["kind"] in NODE_FAULTS)
            if found or time.monotonic() >= deadline:
                return found[0] if found else None
            time.sleep(LOOK_SECONDS)

    def tell_done(self, about: Mapping[str, Any]) -> None:
        """By another: where it has worked."""
        write_json(self.folder / f"process-{self.rank}.json", dict(about))

    def others(self) -> list[dict[str, Any]]:
        """Where the others have worked, those that said so within a while."""
        deadline = time.monotonic() + ROUND_SECONDS
        paths = [self.folder / f"process-{rank}.json" for rank in range(1, self.world)]
        while not all(path.exists() for path in paths) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        return [told for path in paths if (told := _read(path)) is not None]

    def farewell(self, number: int) -> None:
        """By another that has failed or stopped: let the first one leave its last word first."""
        deadline = time.monotonic() + FAREWELL_SECONDS
        while endings.read(self.attempts, number) is None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)


def here(directory: Path) -> Ranks | None:
    """This process's place in the job in ``directory``; None if it does it alone."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world < 2:
        return None
    return Ranks(int(os.environ["RANK"]), world, directory / "ranks" / _launch(), directory / "attempts")


def _launch() -> str:
    """The same for all processes that were started together, and for no others ever."""
    if own := os.environ.get(LAUNCH):
        return own
    slurm = allocation.here()
    return slurm.launch if slurm else claims.process_name(os.getppid())


class Watch:
    """In the first process: sees faults of the others while the room works, which may wait for one that is gone.

    Args:
        act: called in another thread with the fault, if the room has not come back by itself a while later.
    """

    def __init__(self, ranks: Ranks | None, act: Callable[[dict[str, str]], None]) -> None:
        self._ranks, self._act = ranks, act
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        if ranks is not None:
            self._thread.start()

    def rest(self) -> None:
        """The room has come back."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _look(self) -> None:
        while self._ranks and not self._over.wait(WATCH_SECONDS):
            if (fault := self._ranks.fault()) and not self._over.wait(ROUND_SECONDS):
                self._act(fault)
                return


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
