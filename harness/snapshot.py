"""The code as it was when jobs were handed to a cluster: ``STORE/.code/<hash>/``, from which they run.

The hash is that of the rooms' files, so equal code is kept once. What other packages bring (recipes, tasks and tables
by entry points, and every library) is not copied: a job runs with what is installed when it starts, and its record says
which version that was.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ground.errors import StorageError
from ground.files import atomic_path, storage_errors, write_json
from harness import provenance

HOME = ".code"
DIGITS = 20
"""Of the hash in a folder's name."""
YOUNG_SECONDS = 30 * 24 * 3600.0
"""A snapshot taken since then is not swept: who took it, and stays, may yet submit jobs that run from it."""


@dataclass(frozen=True)
class Snapshot:
    """The rooms' files in one folder, and which revision they are of."""

    folder: Path
    hash: str
    revision: str
    """Empty outside a repository."""
    dirty: bool
    diff_sha256: str
    """Of all that differs from the revision; empty if nothing does, or outside a repository."""

    def environment(self) -> dict[str, str]:
        """Variables for a job that runs from it; what stood in PYTHONPATH comes after."""
        return environment(self.folder)


def environment(folder: Path) -> dict[str, str]:
    """Variables for a job that runs from a folder of code; what stood in PYTHONPATH comes after."""
    others = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    path = os.pathsep.join([str(folder), *(os.path.abspath(part) for part in others)])
    return {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}  # without it, the working folder would come first


def take(root: Path) -> Snapshot:
    """Keep the rooms as they are on disk now below ``root``, the store's folder; what is there already is used again.

    Raises:
        StorageError: the store is full, read-only or gone.
    """
    files = _read()
    name = _digest(files)[:DIGITS]
    home = (root / HOME).absolute()
    code = provenance.code()
    about: dict[str, str | bool] = {
        "hash": name,
        "revision": str(code.get("revision", "")),
        "dirty": bool(code.get("dirty")),
        "diff_sha256": str(code.get("diff_sha256", "")),
    }
    with storage_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        if not (home / name).exists():
            _write(home, name, files, about)
        _mend(home / name, files)
        os.utime(home / name)
    try:
        told = json.loads((home / name / provenance.ABOUT).read_text(encoding="utf-8"))
        return Snapshot(home / name, name, told["revision"], told["dirty"], told["diff_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(home / name, f"is a broken copy of the code ({error})", "Delete it and run again.") from None


def planned(root: Path) -> Path:
    """The folder that `take` would make of the rooms as they are now; makes none."""
    return (root / HOME).absolute() / _digest(_read())[:DIGITS]


def sweep(root: Path, used: Iterable[str]) -> list[Path]:
    """Remove snapshots that are named nowhere in ``used`` (say, in the environments of what was submitted and has not
    ended) and were not taken a moment ago; those that went.

    Raises:
        StorageError: the store cannot be read.
    """
    texts, gone = list(used), []
    with storage_errors(root / HOME):
        for folder in sorted((root / HOME).glob("*")):
            old = time.time() - folder.stat().st_mtime > YOUNG_SECONDS
            if old and not any(folder.name in text for text in texts):
                shutil.rmtree(folder)
                gone.append(folder)
    return gone


def _read() -> dict[str, bytes]:
    """Path below the folder → content of every file of the rooms, from wherever each is imported."""
    files: dict[str, bytes] = {}
    for room in provenance.ROOMS:
        spec = importlib.util.find_spec(room)
        for folder in map(Path, (spec.submodule_search_locations or ()) if spec else ()):
            for path in sorted(folder.rglob("*")):
                parts = path.relative_to(folder).parts
                hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
                if not hidden and path.is_file() and path.suffix not in {".pyc", ".part"}:
                    files["/".join((room, *parts))] = path.read_bytes()
    return files


def _digest(files: Mapping[str, bytes]) -> str:
    told = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _write(home: Path, name: str, files: Mapping[str, bytes], about: Mapping[str, str | bool]) -> None:
    """All at once: whoever finds the folder finds it whole."""
    temporary = home / f".{name}.{os.getpid()}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    for file, content in files.items():
        (temporary / file).parent.mkdir(parents=True, exist_ok=True)
        (temporary / file).write_bytes(content)
    write_json(temporary / provenance.ABOUT, about)
    try:
        os.rename(temporary, home / name)
    except OSError:  # another harness was quicker: it holds the same
        shutil.rmtree(temporary, ignore_errors=True)
        if not (home / name).is_dir():
            raise


def _mend(folder: Path, files: Mapping[str, bytes]) -> None:
    """What somebody has edited or deleted in a snapshot is put right: its name says what it holds."""
    for file, content in files.items():
        path = folder / file
        if not path.is_file() or path.read_bytes() != content:
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
