"""Photographs with a label map each, whatever data set they are of. Light: opens no image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ground.config import digest
from ground.errors import DataError
from ground.fingerprint import fingerprint as fingerprint_files
from transfer.layouts.apart import Sets, check_apart


class WithSets(Protocol):
    """A task, as far as its files go."""

    @property
    def sets(self) -> Sets:
        """Which it reads."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One photograph and its label map, an image of one channel and the same size."""

    name: str
    image: Path
    labels: Path


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One set, ``VOC2012/train``: its pairs, in an order that no file system decides."""

    folder: Path
    """Of the data set: what stands in a fingerprint is named from here."""
    pairs: tuple[Pair, ...]
    where: Path
    """What says which pairs there are: a list, or the folder of the photographs."""


Lister = Callable[[Path, str], LabelledSet]
"""The set of a name below a data root, all of its files there; DataError names the first that is not."""


def check(lister: Lister, config: WithSets, root: Path) -> None:
    """Every photograph of the task's sets has its label map, and none that is trained on is tested on.

    Raises:
        DataError: naming the first file at fault.
    """
    _sets(lister, config, root)


def counts(lister: Lister, config: WithSets, root: Path) -> dict[str, int]:
    """Set → images in it.

    Raises:
        DataError: as `check`.
    """
    return {name: len(lister(root, name).pairs) for name in (*config.sets.train, config.sets.test)}


def fingerprint(lister: Lister, config: WithSets, root: Path) -> str:
    """One hash of the task's data: names and sizes of photographs, contents of label maps and lists.

    Raises:
        DataError: as `check`.
    """
    parts = []
    for name, found in _sets(lister, config, root).items():
        maps = [pair.labels for pair in found.pairs]
        lists = [found.where] if found.where.is_file() else []
        parts.append([name, fingerprint_files(found.folder, [pair.image for pair in found.pairs], [*lists, *maps])])
    return digest(parts)


def _sets(lister: Lister, config: WithSets, root: Path) -> dict[str, LabelledSet]:
    """Name → set, the one to test on last."""
    found = {name: lister(root, name) for name in (*config.sets.train, config.sets.test)}
    check_apart(
        config.sets,
        {name: each.where for name, each in found.items()},
        {name: {pair.image: pair.name for pair in each.pairs} for name, each in found.items()},
    )
    return found


def complete(expected: Lister, remedy: str, root: Path, set_name: str) -> LabelledSet:
    """What is expected of a set, all of its files there.

    Raises:
        DataError: a folder or a file is missing.
    """
    named = expected(root, set_name)
    require_all(named.pairs, named.where, remedy)
    return named


def folders(
    places: tuple[str, ...], sides: tuple[str, str], remedy: str, root: Path, set_name: str
) -> tuple[Path, Path, Path]:
    """The data set's folder, and that of a set's photographs and of its label maps: ``sides`` in it, by split.

    Raises:
        DataError: the first is missing.
    """
    split, folder = set_name.split("/")[1], home(root, places, remedy)
    return folder, folder / sides[0] / split, folder / sides[1] / split


def files(folder: Path, suffix: str, remedy: str) -> list[str]:
    """Names of the files directly in ``folder`` that end in ``suffix``, sorted, without it.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(folder, "no such folder", remedy)
    return sorted(name.removesuffix(suffix) for name in entries(folder) if name.endswith(suffix))


def entries(folder: Path) -> list[str]:
    """Names of what lies directly in ``folder``, hidden files left out.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError as error:
        raise DataError(folder, f"cannot be listed ({error.strerror})", "Mend its permissions.") from None


def require_all(pairs: tuple[Pair, ...], where: Path, remedy: str) -> None:
    """Every pair has both of its files. Reads directories, no file.

    Raises:
        DataError: there is no pair, or a file is missing.
    """
    if not pairs:
        raise DataError(where, "holds no image of this set", remedy)
    for sort, paths in (("image", [pair.image for pair in pairs]), ("label map", [pair.labels for pair in pairs])):
        missing = list(absent(paths))
        if missing:
            raise DataError(missing[0], f"{sort} missing ({len(missing)} of {len(pairs)})", remedy)


def absent(paths: list[Path]) -> Iterator[Path]:
    """Those of ``paths`` that are not there; each of their folders is listed once."""
    present: dict[Path, set[str]] = {}
    for path in paths:
        if path.parent not in present:
            present[path.parent] = set(entries(path.parent)) if path.parent.is_dir() else set()
        if path.name not in present[path.parent]:
            yield path


def home(root: Path, places: tuple[str, ...], remedy: str) -> Path:
    """The first of ``places`` below ``root`` that is a folder.

    Raises:
        DataError: there is none.
    """
    for place in places:
        if (root / place).is_dir():
            return root / place
    raise DataError(root / places[0], "no such folder", remedy)
