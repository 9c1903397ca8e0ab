"""Who runs a job: numbered claims with a heartbeat, on any file system that can create a file exclusively.

``attempts/0003`` is the third attempt; the highest number owns the run. A newcomer takes the next number once the
owner is dead or has left its last word (`endings`), and an owner looks whether it still has the highest before it
replaces anything.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Self

from ground.files import storage_errors
from harness import allocation, endings
from harness.endings import End

HEARTBEAT_SECONDS = 10.0
DEAD_AFTER_SECONDS = 60.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Owner:
    """A process, told from every other one that ever had its pid.

    ``machine`` is the boot and the pid namespace: processes of equal ``machine`` can see each other. Claims of before
    Slurm was known say nothing of it.
    """

    host: str
    machine: str
    pid: int
    started: str
    slurm: str = ""
    """Id of the job in Slurm, ``123_4``; empty outside it. ``restart`` counts how often it was requeued before."""
    restart: int = 0
    nodes: str = ""
    """All of that job, as Slurm writes them."""
    at: float = field(default=0.0, compare=False)
    """When it was claimed, in seconds since 1970; 0 of before that was written down."""

    @classmethod
    def here(cls) -> Self:
        """This process."""
        found, pid = allocation.here(), os.getpid()
        own = cls(socket.gethostname(), _machine(), pid, _state_and_start(pid)[1], at=time.time())
        return replace(own, slurm=found.id, restart=found.restart, nodes=found.nodes) if found else own

    def alive(self, heartbeat: float) -> bool:
        """Whether the process still is, given its last heartbeat (seconds since 1970).

        One that we can see lives as long as its pid; one elsewhere lives while its heart beats.
        """
        if self.machine != _machine() or not self.machine:
            return time.time() - heartbeat < DEAD_AFTER_SECONDS
        state, started = _state_and_start(self.pid)
        return state not in {"", "Z", "X"} and started == self.started

    def was_before(self, other: Owner) -> bool:
        """Whether it is an earlier start of the same job of Slurm, which has ended that one before it began anew."""
        return bool(self.slurm) and self.slurm == other.slurm and self.restart < other.restart


def process_name(pid: int) -> str:
    """A process on this machine, told from every other one that ever had its pid."""
    return f"{socket.gethostname()}-{pid}-{_state_and_start(pid)[1]}"


@cache
def _machine() -> str:
    """Boot id and pid namespace; empty where there is no /proc, so that heartbeats decide."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _state_and_start(pid: int) -> tuple[str, str]:
    """State letter and start time (clock ticks since boot) of a process; empty strings if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]


@dataclass(frozen=True)
class Attempt:
    """A claim as others see it. ``owner`` is None while its file is still being written."""

    number: int
    path: Path
    owner: Owner | None
    heartbeat: float
    end: End | None = None
    """Its last word; None if it goes on, or was killed without one."""

    def alive(self) -> bool:
        """Whether its process still runs (or, unknown, may yet)."""
        if self.end is not None:
            return False
        if self.owner is None:
            return time.time() - self.heartbeat < DEAD_AFTER_SECONDS
        return self.owner.alive(self.heartbeat)


def latest(directory: Path) -> Attempt | None:
    """The claim with the highest number, if there is any."""
    number = _highest(directory)
    if number == 0:
        return None
    return at(directory, number) or latest(directory)  # None: released between the two looks


def at(directory: Path, number: int) -> Attempt | None:
    """One claim, if it is there."""
    path = _path(directory, number)
    try:
        heartbeat, text = path.stat().st_mtime, path.read_text()
    except FileNotFoundError:
        return None
    end = endings.read(directory, number)
    try:
        return Attempt(number, path, Owner(**json.loads(text)), heartbeat, end)
    except (ValueError, TypeError):
        return Attempt(number, path, None, heartbeat, end)


def _highest(directory: Path) -> int:
    try:
        return max((int(name) for name in os.listdir(directory) if name.isdigit()), default=0)
    except FileNotFoundError:
        return 0


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:04d}"


def _here(attempt: Attempt) -> bool:
    """Whether its process can be seen, so that there is no doubt of its life."""
    return attempt.owner is not None and bool(attempt.owner.machine) and attempt.owner.machine == _machine()


class Claim:
    """The right to run a job, and the heartbeat that keeps it."""

    def __init__(self, directory: Path, number: int) -> None:
        self.number = number
        self._directory, self._path = directory, _path(directory, number)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def holds(self) -> bool:
        """Whether this is still the highest claim."""
        return _highest(self._directory) == self.number

    def rest(self) -> None:
        """Stop the heartbeat; the claim stays as the trace of an attempt."""
        self._stop.set()
        self._thread.join()

    def release(self) -> None:
        """Take the claim back, as if it had never been: for a run that turned out to be finished."""
        self.rest()
        self._path.unlink(missing_ok=True)

    def end(self, end: End) -> None:
        """Leave the last word and stop the heartbeat.

        Raises:
            StorageError: it cannot be written.
        """
        endings.write(self._directory, self.number, end)
        self.rest()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                os.utime(self._path)
            except OSError as error:
                print(f"heartbeat {self._path}: {error}", file=sys.stderr)


class Watch:
    """Judges whether owners elsewhere live by hearts that beat while we look. The clocks of two machines and of a file
    server are not compared: a minute between them would make the living look dead."""

    def __init__(self) -> None:
        self._seen: tuple[int, float] | None = None
        self._since = 0.0

    def alive(self, attempt: Attempt) -> bool:
        """Whether an owner is not known to be gone; of one that we cannot see, that takes a minute of looking on."""
        if attempt.end is not None or _here(attempt):
            return attempt.alive()
        if (seen := (attempt.number, attempt.heartbeat)) != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return time.monotonic() - self._since < DEAD_AFTER_SECONDS


def acquire(directory: Path, patience: float = 0.0, alive: Callable[[Attempt], bool] = Attempt.alive) -> Claim | None:
    """Claim the next attempt in ``directory``, or None while somebody alive has it.

    Args:
        directory: ``attempts`` of a run.
        patience: seconds to wait for the end of an owner elsewhere whose heart does not beat: it may have been killed
            a moment ago.
        alive: whether an owner still is.

    Raises:
        StorageError: the claim cannot be written.
    """
    with storage_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        me, deadline, beat = Owner.here(), time.monotonic() + patience, 0.0
        while True:
            last = latest(directory)
            if last is not None and alive(last) and not (last.owner and last.owner.was_before(me)):
                beat = beat or last.heartbeat
                if last.heartbeat != beat or time.monotonic() >= deadline or _here(last):
                    return None
                time.sleep(min(1.0, patience))
                continue
            number = last.number + 1 if last else 1
            try:
                descriptor = os.open(_path(directory, number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:  # somebody was quicker, and a file system that is far away may not show it yet
                time.sleep(LOOK_SECONDS)
                continue
            try:
                with os.fdopen(descriptor, "w") as file:
                    json.dump(asdict(me), file)
            except OSError:  # a full disk: leave no claim that nobody holds
                _path(directory, number).unlink()
                raise
            return Claim(directory, number)
