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
folders = partial(label_maps.folders, PLACES, ("images", "annotations"), REMEDY)


def expected(root: Path, set_name: str) -> LabelledSet:
    """Whatever of ``ade20k/training`` or ``ade20k/validation`` has a photograph or a label map, by name.

    Raises:
        DataError: a folder is missing.
    """
    folder, images, maps = folders(root, set_name)
    names = {*label_maps.files(images, ".jpg", REMEDY), *label_maps.files(maps, ".png", REMEDY)}
    pairs = tuple(Pair(name, images / f"{name}.jpg", maps / f"{name}.png") for name in sorted(names))
    return LabelledSet(folder, pairs, images)


listed = partial(label_maps.complete, expected, REMEDY)
# What every layout gives `transfer.data`.
check = partial(label_maps.check, listed)
counts = partial(label_maps.counts, listed)
fingerprint = partial(label_maps.fingerprint, listed)
