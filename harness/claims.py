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
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Self

from ground.files import storage_errors
from harness import allocation, endings, hearts
from harness.endings import End
from harness.hearts import Watch

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
    """When it was claimed, by the clock that stamps its heartbeats too, in seconds since 1970; 0 of before that was
    written down."""

    @classmethod
    def here(cls) -> Self:
        """This process."""
        found, pid = allocation.here(), os.getpid()
        own = cls(socket.gethostname(), _machine(), pid, _state_and_start(pid)[1])
        return replace(own, slurm=found.id, restart=found.restart, nodes=found.nodes) if found else own

    @property
    def visible(self) -> bool:
        """Whether we can see the process, or that it is gone."""
        return bool(self.machine) and self.machine == _machine()

    def runs(self) -> bool:
        """Whether the process, which is visible, still is."""
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

    def known(self) -> bool | None:
        """Whether its process lives; None if only its heart can tell."""
        if self.end is not None:
            return False
        return self.owner.runs() if self.owner is not None and self.owner.visible else None


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
        with open(path, encoding="utf-8") as file:  # opened first: far away, its time may be an old one until then
            heartbeat, text = os.fstat(file.fileno()).st_mtime, file.read()
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
        while not self._stop.wait(hearts.HEARTBEAT_SECONDS):
            try:
                os.utime(self._path)
            except OSError as error:
                print(f"heartbeat {self._path}: {error}", file=sys.stderr)


def acquire(directory: Path, patience: float = 0.0, watch: Watch | None = None, over: int = 0) -> Claim | None:
    """Claim the next attempt in ``directory``, or None while somebody has it who is not known to be dead.

    Args:
        directory: ``attempts`` of a run.
        patience: seconds to look on while it is in doubt whether an owner elsewhere lives.
        watch: what was seen so far of whoever has it.
        over: attempts up to this number are known to be over.

    Raises:
        StorageError: the claim cannot be written.
    """
    watch = watch or Watch()
    with storage_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        me, deadline = Owner.here(), time.monotonic() + patience
        while True:
            last = latest(directory)
            if last is not None and last.number > over and not (last.owner and last.owner.was_before(me)):
                lives = watch.sees(last)
                if lives or (lives is None and time.monotonic() >= deadline):
                    return None
                if lives is None:
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
                    json.dump(asdict(replace(me, at=os.fstat(descriptor).st_mtime)), file)
            except OSError:  # a full disk: leave no claim that nobody holds
                _path(directory, number).unlink()
                raise
            return Claim(directory, number)
