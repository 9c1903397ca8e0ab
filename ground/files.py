"""Files that are whole or absent: write beside, flush, rename."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ground.errors import StorageError

_STORAGE_REMEDIES = {
    errno.ENOSPC: "Free some space and run again; finished runs are kept.",
    errno.EDQUOT: "Free some quota and run again; finished runs are kept.",
    errno.EEXIST: "A file lies where a folder should be: remove it or choose another folder.",
    errno.EROFS: "Choose a writable folder.",
    errno.EACCES: "Choose a folder you may write to.",
    errno.ENOTDIR: "One of the folders above it is a file; choose another place.",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk into one line; other ``OSError`` pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_REMEDIES:
            raise
        problem = os.strerror(error.errno)
        raise StorageError(path, problem, _STORAGE_REMEDIES[error.errno]) from error


def host() -> str:
    """This machine's name as it stands in a temporary file's, without dots."""
    return os.uname().nodename.replace(".", "-")[:64]


def make_folder(path: Path) -> None:
    """Make a folder and those above it; one that is there is well.

    Raises:
        StorageError: it cannot be made, whatever the reason. Some file systems (``/proc``) say that it is not there.
    """
    with storage_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:
            raise StorageError(path, "no folder can be made there", "Choose another place.") from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it replaces ``path``, flushed to disk.

    A process killed at any point leaves either the old file or the new one. Works on NFS,
    where a rename within one folder is atomic: ``.NAME.HOST.PROCESS.part`` is this process's alone.
    """
    temporary = path.with_name(f".{path.name}.{host()}.{os.getpid()}.part")
    with storage_errors(path):
        make_folder(path.parent)
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` (UTF-8), atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_unflushed(path: str, text: str) -> None:
    """As ``write_text``, without a wait for the disk: for what can be written anew, by the thousand.

    A crash of the machine may leave an empty file.
    """
    temporary = f"{os.path.dirname(path)}/.{os.path.basename(path)}.{host()}.{os.getpid()}.part"
    with storage_errors(Path(path)):
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(text)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(text)
        os.replace(temporary, path)


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` by ``value`` as indented JSON with sorted keys, atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=True) + "\n")
