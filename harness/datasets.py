"""Which data the jobs read, where it lies, and what it is: fingerprints, remembered until a folder changes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ground.config import digest, identity
from ground.errors import DataError, StorageError
from ground.files import write_json
from ground.progress import Report
from harness.profiles import Profile

if TYPE_CHECKING:
    from pretrain.config import PretrainConfig
    from transfer.config import TaskConfig
    from transfer.scenes.spec import SceneSpec

RACY_SECONDS = 2.0
"""A folder this young may change again within one tick of its clock; it is not remembered yet."""


@dataclass(frozen=True)
class Source:
    """The data of a plan."""

    root: Path
    """Folder of the data sets."""
    spec: SceneSpec | None
    """What to generate in ``root``; None for data that is there."""
    images: tuple[Path, ...] = ()
    """Folders to pre-train on instead of a recipe's data set."""

    def folders(self, config: PretrainConfig) -> list[Path]:
        """Image folders that a recipe learns from."""
        from pretrain import data

        return list(self.images) or data.folders(config, self.root)

    def label(self, config: PretrainConfig) -> str:
        """The pre-training data in a directory's name: ``scenes``, ``coco``, ``coco+``, ``images``."""
        if self.images:
            return "images"
        return config.data.replace("coco", "scenes") if self.generated else config.data

    def complete(self) -> bool:
        """Whether everything that is to be generated is there."""
        from transfer.scenes import write

        return self.spec is None or (self.root / write.DONE).is_file()

    def generate(self, report: Report) -> None:
        """Generate what is missing; goes on where it was stopped.

        Raises:
            DataError: the folder holds something else.
            StorageError: the disk is full or not writable.
        """
        from transfer.scenes import write

        if self.spec is not None:
            write.write(self.root, self.spec, report)

    @property
    def generated(self) -> bool:
        """Whether the data sets are generated scenes, by this plan or earlier."""
        from transfer.scenes import write

        return self.spec is not None or (self.root / write.DONE).is_file()

    @property
    def words(self) -> str:
        """What a table says of its data."""
        name = self.root.resolve().name
        root = f"generated scenes ({name})" if self.generated else name
        if not self.images:
            return root
        return f"{root}, pre-trained on the images of {', '.join(_tail(folder) for folder in self.images)}"


def choose(profile: Profile, root: str | None, images: Sequence[str]) -> Source:
    """The data of a plan: ``--data ROOT``, or the profile's generated scenes, each set of them in a folder of its own.

    Raises:
        ConfigError: the profile has no scenes and there is no ``root``.
    """
    folders = tuple(Path(folder) for folder in images)
    if root is not None:
        return Source(Path(root), None, folders)
    spec = profile.scene_spec()
    return Source(Path("data") / f"scenes-{Path(profile.name).stem}-{digest(identity(spec))[:6]}", spec, folders)


def image_fingerprint(folders: Sequence[Path], cache: Cache) -> str:
    """What the images to pre-train on are.

    Raises:
        DataError: a folder is missing or holds no image.
    """
    from pretrain import data

    name = digest(["images", [str(folder.absolute()) for folder in folders]])
    return cache.get(name, folders, lambda: data.fingerprint(list(folders)))


def task_fingerprint(config: TaskConfig, root: Path, cache: Cache) -> str:
    """What a task's data is.

    Raises:
        DataError: something is missing or broken.
    """
    from transfer import data

    name = digest(["task", identity(config), str(root.absolute())])
    return cache.get(name, [root], lambda: data.fingerprint(config, root))


def recheck_images(folders: Sequence[Path], expected: str, cache: Cache) -> str:
    """The fingerprint of images, taken anew.

    Raises:
        DataError: it is not ``expected``, or see ``image_fingerprint``.
    """
    from pretrain import data

    return _unchanged(lambda: data.fingerprint(list(folders)), expected, folders[0], cache)


def recheck_task(config: TaskConfig, root: Path, expected: str, cache: Cache) -> str:
    """The fingerprint of a task's data, taken anew.

    Raises:
        DataError: it is not ``expected``, or see ``task_fingerprint``.
    """
    from transfer import data

    return _unchanged(lambda: data.fingerprint(config, root), expected, root, cache)


def _unchanged(take: Callable[[], str], expected: str, where: Path, cache: Cache) -> str:
    """The fingerprint taken now; what the next plan believes is forgotten if it is another or the data are at fault."""
    try:
        found = take()
    except DataError:
        cache.clear()
        raise
    if found != expected:
        cache.clear()
        raise DataError(where, "changed after the job was planned", "Run again: jobs are planned on the data as it is.")
    return found


class Cache:
    """Fingerprints by name in ``<store>/.cache/``, each good while no folder below its places changes.

    A folder's time changes when a file comes or goes, not when one is rewritten in place: the job itself takes the
    fingerprint anew before it works.
    """

    def __init__(self, store: Path) -> None:
        self._home = store / ".cache"

    def get(self, name: str, places: Sequence[Path], compute: Callable[[], str]) -> str:
        """The remembered value, or what ``compute`` says."""
        path = self._home / f"{name[:20]}.json"
        kept = _kept(path)
        if kept is not None:
            return kept
        value = compute()
        folders = {str(folder): os.stat(folder).st_mtime_ns for place in places for folder in _folders(place)}
        if max(folders.values()) / 1e9 < time.time() - RACY_SECONDS:
            with suppress(StorageError, OSError):  # a store that is only read: slower, no less right
                write_json(path, {"folders": folders, "value": value})
        return value

    def clear(self) -> None:
        """Forget everything."""
        for path in self._home.glob("*.json"):
            path.unlink(missing_ok=True)


def _kept(path: Path) -> str | None:
    """A remembered value; None if there is none, it is broken, or a folder is gone or has changed."""
    try:
        kept = json.loads(path.read_text())
        unchanged = all(os.stat(folder).st_mtime_ns == time_ns for folder, time_ns in kept["folders"].items())
        return str(kept["value"]) if unchanged else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _folders(place: Path) -> Iterator[Path]:
    """``place`` and every folder below it, through links, each once."""
    seen: set[str] = set()
    for parent, below, _ in os.walk(place.absolute(), followlinks=True):
        below[:] = [name for name in below if not name.startswith(".")]
        real = os.path.realpath(parent)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        yield Path(parent)


def _tail(folder: Path) -> str:
    return "/".join(folder.absolute().parts[-2:]).lstrip("/")
