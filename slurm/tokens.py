"""What lies on disk of a submission, so that neither a killed submitter nor a lost answer loses or doubles a job.

    STORE/.slurm/hb-3f9ab2c41d07/    the token: also the job's name in Slurm
        submission.json              written before sbatch is called
        batch.sh                     what sbatch got
        id                           Slurm's id of the array, or "dropped"; made by link(2), so the first word holds
        123_4_0_log.out              stdout and stderr of task 4, process 0, of every restart
        ended-4-0                    exit code of task 4, restart 0, the seconds it had, its nodes

Who learns the id writes ``id``: the submitter, whoever finds the token in the queue, or the job itself when it starts.
Who gives a submission up writes "dropped" there. A job that finds another word than its own id goes at once, so one
that reaches Slurm late does no harm.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from ground.errors import ConfigError
from ground.files import storage_errors, write_text
from slurm.origin import Origin
from slurm.requests import Request, Submission, Task

DROPPED = "dropped"
_TOKEN = re.compile(r"^hb-[0-9a-f]{12}$")
_ENDED = re.compile(r"^ended-(\d+)-(\d+)$")


@dataclass(frozen=True)
class Call:
    """What every task of a submission calls, and in which environment."""

    function: str
    """``package.module:function``; gets a task's arguments."""
    environment: Mapping[str, str | None]
    """Laid over the job's own; None unsets a variable."""


@dataclass(frozen=True)
class Ended:
    """How one start of a task ended, as its batch script saw it."""

    restart: int
    code: int
    """Of srun: 128 + signal for a process that was killed."""
    seconds: int | None = None
    """Since its batch script began; None if it did not say."""
    nodes: str = ""
    """As Slurm writes them."""


def new(
    request: Request, tasks: tuple[Task, ...], after: tuple[str, ...], created: float, origin: Origin | None = None
) -> Submission:
    """A submission with a token that nobody has; writes nothing."""
    token = f"hb-{uuid.uuid4().hex[:12]}"
    made = Submission(token, request, tasks, after, created)
    return replace(made, cluster=origin.cluster, uid=origin.uid) if origin else made


def write(home: Path, submission: Submission, call: Call) -> Path:
    """Write a submission down; its folder.

    Raises:
        StorageError: the disk is full or read-only.
    """
    folder = folder_of(home, submission.token)
    tasks = [{"name": task.name, "arguments": task.arguments} for task in submission.tasks]
    told = {**asdict(replace(submission, job_id=None, tasks=())), "tasks": tasks}
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # On one line: there may be a hundred thousand tasks in many arrays, and json indents slowly.
        write_text(folder / "submission.json", json.dumps({"submission": told, "call": asdict(call)}) + "\n")
    return folder


def folder_of(home: Path, token: str) -> Path:
    """Where a submission lies.

    Raises:
        ConfigError: a path that Slurm would read as a pattern.
    """
    if "%" in str(home.absolute()) or "\n" in str(home):
        raise ConfigError(home, "Slurm takes a per cent sign in a path for a pattern", "Choose another folder.")
    return home.absolute() / token


def read(folder: Path) -> tuple[Submission, Call] | None:
    """A submission as it was written down, with its id if that is known; None if it never was, or was dropped."""
    try:
        submission, call = _written(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    identity = job_id(folder)
    return None if identity == DROPPED else (replace(submission, job_id=identity), call)


@cache
def _written(folder: Path) -> tuple[Submission, Call]:
    """What does not change once it is there, read once: whoever drives a plan lists thousands of submissions again and
    again, on a file system that is far away."""
    content = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    told = content["submission"]
    request = Request(**{**told["request"], "exclude": tuple(told["request"]["exclude"])})
    tasks = tuple(Task(each["name"], tuple(each["arguments"])) for each in told["tasks"])
    rest = {name: told[name] for name in ("cluster", "uid") if name in told}  # of before they were written: ours
    submission = Submission(told["token"], request, tasks, tuple(told["after"]), told["created"], **rest)
    return submission, Call(**content["call"])


def job_id(folder: Path) -> str | None:
    """Slurm's id, ``DROPPED``, or None while nobody knows."""
    try:
        return _decided(folder) or None
    except FileNotFoundError:
        return None


@cache
def _decided(folder: Path) -> str:
    return (folder / "id").read_text(encoding="ascii").strip()


def decide(folder: Path, word: str) -> str:
    """Write an id or ``DROPPED`` unless somebody was first; the word that holds.

    Raises:
        StorageError: the disk is full or read-only.
    """
    part = folder / f".id-{uuid.uuid4().hex[:8]}"
    with storage_errors(folder):
        try:
            part.write_text(f"{word}\n", encoding="ascii")
            with suppress(FileExistsError):  # somebody was first: their word is read below
                os.link(part, folder / "id")
        finally:
            part.unlink(missing_ok=True)
    return _decided(folder)


def folders(home: Path) -> list[Path]:
    """Of all submissions, sorted by token."""
    try:
        return sorted(path for path in home.absolute().iterdir() if _TOKEN.match(path.name))
    except FileNotFoundError:
        return []


def remains(home: Path) -> list[Path]:
    """Folders without a submission in them: one that was dropped, never written down whole, or not removed whole."""
    unfinished = [folder for folder in folders(home) if read(folder) is None]
    return [*unfinished, *(home.absolute().glob(".gone-*"))]


def ended(home: Path, submission: Submission) -> dict[int, list[Ended]]:
    """How the starts of each task ended, as far as their batch scripts lived to tell: task → in order of restarts."""
    found: dict[int, list[Ended]] = {}
    folder = folder_of(home, submission.token)
    for name in os.listdir(folder) if folder.is_dir() else []:
        if match := _ENDED.match(name):
            code, *more = (folder / name).read_text(encoding="ascii").split()
            seconds, nodes = int(more[0]) if more else None, more[1] if len(more) > 1 else ""
            found.setdefault(int(match[1]), []).append(Ended(int(match[2]), int(code), seconds, nodes))
    return {index: sorted(each, key=lambda one: one.restart) for index, each in sorted(found.items())}


def log(home: Path, submission: Submission, index: int, process: int = 0) -> Path:
    """What a task wrote to stdout and stderr before its job had a log of its own."""
    return folder_of(home, submission.token) / f"{submission.job_id}_{index}_{process}_log.out"


def remove(folder: Path) -> None:
    """Delete a submission; it is gone at once for whoever lists them."""
    going = folder.with_name(f".gone-{folder.name}-{uuid.uuid4().hex[:8]}")
    with storage_errors(folder):
        try:
            folder.rename(going)
        except FileNotFoundError:
            return
        shutil.rmtree(going, ignore_errors=True)
