"""The run store: a directory per run, nothing that must agree with anything else, readable while others write.

Layout and claims: docs/architecture.md. What a directory holds is judged by looking at it, every time.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ground.errors import StorageError
from ground.files import make_folder, storage_errors, write_unflushed
from harness import claims, hearts, records
from harness.curve import CURVE
from harness.jobs import KINDS, Job, Parent, Scribe

State = Literal["missing", "queued", "running", "preempted", "interrupted", "blocked", "failed", "done", "stale"]
OURS = frozenset({"job.json", "record.json", "progress.json", "log.txt", CURVE})
"""Files of a run that the harness writes; all others are the room's."""
BACKBONE = "backbone.safetensors"
"""What a pre-training leaves for a fine-tuning."""
COLLAPSED = 0.05
"""A pre-training whose ``feature_std`` ends below this has nearly one feature for all images."""
DRIVEN = "jobs"
"""In the folder of a harness at work: names of the jobs that it sees to."""
LEFTOVER_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Look:
    """What a run's directory says now. ``problem`` names a file that is there but does not count.

    Three states no directory says: ``blocked``, of a job that waits for a failed one; ``stale``, of a job that was done
    by an earlier version of its recipe, task or input, and not by today's; and ``preempted``, of one that a cluster put
    off and that goes on by itself.
    """

    state: State
    record: dict[str, Any] | None = None
    attempt: claims.Attempt | None = None
    problem: str = ""

    @property
    def reason(self) -> str:
        """One line on why a run did not end well."""
        if self.record is None:
            return (
                "ended again and again without a record: was it killed, or out of memory? "
                "Run again to go on from its checkpoint"
            )
        return f"{self.error_kind or 'unknown'}: {self.message}"

    @property
    def message(self) -> str:
        """First line of what a failure's record says of it; empty if there is none."""
        error = (self.record or {}).get("error") or {}
        return (str(error.get("message", "")).splitlines() or [""])[0]

    @property
    def collapse(self) -> str:
        """A warning if a finished pre-training maps all images to nearly one feature; empty otherwise."""
        std = self.record["metrics"].get("feature_std") if self.record and self.state == "done" else None
        if std is None or std >= COLLAPSED:
            return ""
        return f"features collapsed (feature_std {std:.3g}; 1 is isotropic)"

    @property
    def error_kind(self) -> str:
        """Class of a failure (``data``, ``code``, …); empty if there is none."""
        error = (self.record or {}).get("error") or {}
        return str(error.get("kind", ""))

    @property
    def processes(self) -> int:
        """How many a finished run had; records of before they were counted are of one."""
        return int((self.record or {}).get("processes", 1))

    @property
    def seconds(self) -> float:
        """How long a finished run took, over all its attempts."""
        return float(self.record["timings"]["seconds"]) if self.record else 0.0


MISSING = Look("missing")


class Store:
    """All runs below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._held: dict[str, Any] = {}
        self._scribe = Scribe()
        self._watch, self._clock = hearts.Watch(), hearts.Clock(root)

    def directory(self, job: Job | Parent) -> Path:
        """Where a job's run lies, whether it is there or not."""
        return Path(f"{self.root}/{job.kind}/{job.name}")

    def look(self, job: Job, *, driven: bool = False) -> Look:
        """The state of a job's run. ``driven``: a harness at work will start it if nobody has yet."""
        directory = self.directory(job)
        record, problem = records.read(directory, job)
        if record is not None:
            return Look(record["status"], self._lean(record, job))
        attempt = claims.latest(directory / "attempts")
        if attempt is not None:
            return Look("running" if self.lives(attempt) else "interrupted", attempt=attempt, problem=problem)
        return Look("queued" if driven else "missing", problem=problem)

    def lives(self, attempt: claims.Attempt) -> bool:
        """Whether somebody is at work on an attempt, by all that this store was seen to do; of one on another machine
        that was not looked at for long, a guess."""
        return self._watch.lives(attempt, self._clock)

    def over(self, attempt: claims.Attempt | None) -> int:
        """Number of an attempt on another machine whose heart has stood still before our eyes: who takes it over need
        not look on again. 0 of any other."""
        unseen = attempt is not None and attempt.known() is None
        return attempt.number if attempt and unseen and self._watch.sees(attempt) is False else 0

    def looks(self, jobs: Iterable[Job], *, driven: Collection[str] = ()) -> Iterator[tuple[Job, Look]]:
        """Each job with its look. A directory that was not there when this began is not asked for.

        Args:
            driven: names of the jobs that some harness will start, see ``driven``.
        """
        there = {kind: set(self.names(kind)) for kind in KINDS}
        for job in jobs:
            yield job, self.look(job, driven=job.name in driven) if job.name in there[job.kind] else MISSING

    def _lean(self, record: dict[str, Any], job: Job) -> dict[str, Any]:
        """A record in which what it shares with its job and with others is held once: there may be 100,000."""
        for name in ("config", "data"):
            if name in record and record[name] == getattr(job, name):
                record[name] = getattr(job, name)
        for name in record.keys() & {"host", "device", "versions", "code", "overrides", "profile", "task", "recipe"}:
            record[name] = self._held.setdefault(repr(record[name]), record[name])
        return record

    def prepare(self, job: Job) -> None:
        """Write ``job.json``, unless it says so already. One that a crash of the machine loses is written anew by the
        next harness, so nobody waits for the disk.

        Raises:
            StorageError: the store is full, read-only or gone.
        """
        path, wanted = f"{self.root}/{job.kind}/{job.name}/job.json", self._scribe.text(job)
        with storage_errors(Path(path)):
            there = _read_text(path)
        if there != wanted and (there is None or _parsed(there) != json.loads(wanted)):
            write_unflushed(path, wanted)

    def gone(self, job: Job | Parent, look: Look) -> list[Path]:
        """Files that a finished run left and that are there no more."""
        paths = [self.directory(job) / name for name in (look.record or {}).get("outputs", {})]
        return [path for path in paths if not path.exists()]

    def read_from(self) -> set[Path]:
        """Run directories that some running job, of whatever plan, reads from."""
        there = (self.root / kind / name for kind in KINDS for name in self.names(kind))
        return {self.directory(parent) for each in there if self._at_work(each) for parent in _parents(each)}

    def log(self, job: Job) -> Path:
        """Where a job's output is."""
        return self.directory(job) / "log.txt"

    def append_log(self, job: Job, text: str) -> None:
        """Keep words of a job that died before it had its log."""
        if text:
            with storage_errors(self.log(job)), open(self.log(job), "a") as file:
                file.write(text)

    def set_aside(self, job: Job) -> Path:
        """Move a whole run to ``.replaced/``, out of everybody's sight; nothing is deleted."""
        source, home = self.directory(job), self.root / ".replaced" / job.kind
        with storage_errors(home):
            home.mkdir(parents=True, exist_ok=True)
            target = _unused(home / job.name)
            os.rename(source, target)
        return target

    def progress(self, job: Job) -> dict[str, Any]:
        """How far a running job says it is; empty before it said anything."""
        value = _read_json(self.directory(job) / "progress.json")
        return value if isinstance(value, dict) else {}

    def names(self, kind: str) -> list[str]:
        """Names of all run directories of a kind, without looking into one."""
        try:
            with os.scandir(self.root / kind) as entries:
                return sorted(entry.name for entry in entries if not entry.name.startswith("."))
        except FileNotFoundError:
            return []

    def written(self, kind: str, name: str) -> dict[str, Any]:
        """What ``job.json`` of a run directory says; empty where it cannot be read."""
        job = _read_json(self.root / kind / name / "job.json")
        return job if isinstance(job, dict) else {}

    @contextmanager
    def driver(self, jobs: Iterable[Job]) -> Iterator[Path]:
        """Show others that a harness is at work on ``jobs`` here; gives it a folder of its own, removed afterwards.

        Raises:
            StorageError: the store cannot be written.
        """
        owner, home = claims.Owner.here(), self.root / ".drivers"
        folder = home / f"{owner.host}-{owner.pid}-{owner.started or int(time.time())}"
        make_folder(folder)
        self._sweep(home)
        write_unflushed(str(folder / DRIVEN), "".join(f"{job.name}\n" for job in jobs))
        claim = claims.acquire(folder / "attempts")
        try:
            yield folder
        finally:
            if claim is not None:
                claim.rest()
            shutil.rmtree(folder, ignore_errors=True)

    def driven(self) -> set[str]:
        """Names of the jobs that harnesses at work in this store see to, whatever has come of them."""
        names: set[str] = set()
        for folder in _folders(self.root / ".drivers"):
            attempt = _driver_claim(folder)
            if attempt and self.lives(attempt):
                names.update((_read_text(str(folder / DRIVEN)) or "").splitlines())
        return names

    def _at_work(self, directory: Path) -> bool:
        """Whether somebody alive has a run that is not finished."""
        attempt = claims.latest(directory / "attempts")
        return attempt is not None and self.lives(attempt) and not (directory / "record.json").exists()

    def _sweep(self, home: Path) -> None:
        """Remove what drivers that were killed left behind, once no orphan of theirs can still write there."""
        for folder in _folders(home):
            attempt = _driver_claim(folder)
            if attempt and not self.lives(attempt) and self._clock.now() - attempt.heartbeat > LEFTOVER_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def shelve(path: Path, word: str) -> None:
    """Rename a file that must not count any more: ``record.json.bad-1``."""
    with storage_errors(path):
        try:
            os.rename(path, _unused(path.with_name(f"{path.name}.{word}")))
        except FileNotFoundError:  # another harness was quicker
            return


def read_job(directory: Path) -> Job:
    """The job of a run's directory.

    Raises:
        StorageError: ``job.json`` is missing, broken or of another version.
    """
    path = directory / "job.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(path, f"unreadable ({error})", "Run again; it is written anew.") from None
    return Job.from_json(value, path)


def _read_json(path: Path) -> Any:
    """What a file holds; None if it is absent or broken and that does not matter."""
    return _parsed(_read_text(str(path)) or "")


def _read_text(path: str) -> str | None:
    """A file's text; None if it is absent or no text."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _parsed(text: str) -> Any:
    """What JSON says; None if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _parents(directory: Path) -> list[Parent]:
    """What a run rests on; nothing where ``job.json`` cannot tell."""
    job = _read_json(directory / "job.json")
    parents = job.get("parents") if isinstance(job, dict) else None
    return [Parent(**each) for each in parents.values()] if isinstance(parents, dict) else []


def _unused(path: Path) -> Path:
    number = 1
    while path.with_name(f"{path.name}-{number}").exists():
        number += 1
    return path.with_name(f"{path.name}-{number}")


def _folders(home: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(home)]
    except FileNotFoundError:
        return []


def _driver_claim(folder: Path) -> claims.Attempt | None:
    return claims.latest(folder / "attempts")
