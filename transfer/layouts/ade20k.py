"""The layout of ADE20k's scene-parsing challenge of 2016: 150 classes. Light: imports no torch.

ADEChallengeData2016/images/training/ADE_train_00000001.jpg
ADEChallengeData2016/annotations/training/ADE_train_00000001.png              0 is "other", which is ignored
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from transfer.layouts import label_maps
from transfer.layouts.label_maps import LabelledSet, Pair

PLACES = ("ADEChallengeData2016", "ade/ADEChallengeData2016", "ade20k/ADEChallengeData2016")
REMEDY = "Unpack ADEChallengeData2016.zip into the data root."
KNOWN = frozenset(range(151))
"""Values that a label map may hold: class k of 0-149 is k + 1."""
VOID = frozenset({0})
"""Those of them that are no class."""


def listed(root: Path, set_name: str) -> LabelledSet:
    """The pairs of ``ade20k/training`` or ``ade20k/validation``, by name.

    Raises:
        DataError: a folder or a file is missing.
    """
    named = expected(root, set_name)
    label_maps.require_all(named.pairs, named.where, REMEDY)
    return named


def expected(root: Path, set_name: str) -> LabelledSet:
    """Whatever has a photograph or a label map.

    Raises:
        DataError: a folder is missing.
    """
    folder, images, maps = folders(root, set_name)
    names = {*label_maps.files(images, ".jpg", REMEDY), *label_maps.files(maps, ".png", REMEDY)}
    pairs = tuple(Pair(name, images / f"{name}.jpg", maps / f"{name}.png") for name in sorted(names))
    return LabelledSet(folder, pairs, images)


def folders(root: Path, set_name: str) -> tuple[Path, Path, Path]:
    """The data set's folder, and that of a set's photographs and of its label maps.

    Raises:
        DataError: the first is missing.
    """
    split = set_name.split("/")[1]
    folder = label_maps.home(root, PLACES, REMEDY)
    return folder, folder / "images" / split, folder / "annotations" / split


# What every layout gives `transfer.data`.
check = partial(label_maps.check, listed)
counts = partial(label_maps.counts, listed)
fingerprint = partial(label_maps.fingerprint, listed)
