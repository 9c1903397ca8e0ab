"""The layout of Cityscapes: photographs and finely annotated label maps by city. Light: imports no torch.

cityscapes/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png
cityscapes/gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png       as downloaded; `TRAIN_IDS` are learnt
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from transfer.layouts import label_maps
from transfer.layouts.label_maps import LabelledSet, Pair

PLACES = ("cityscapes", "Cityscapes", "CityScapes")
REMEDY = "Unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip into cityscapes/ below the data root."
IMAGE, LABELS = "_leftImg8bit.png", "_gtFine_labelIds.png"
IGNORED = 255
CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""The nineteen classes that are evaluated, by train id (cityscapesscripts, helpers/labels.py)."""
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The value that each class has in a labelIds map."""
TRAIN_IDS = {label: train for train, label in enumerate(LABEL_IDS)}
"""Value in a labelIds map → train id; every other value is ignored."""
KNOWN = frozenset(range(34))
"""Values that a labelIds map may hold."""
VOID = KNOWN - TRAIN_IDS.keys()
"""Those of them that are no class."""
folders = partial(label_maps.folders, PLACES, ("leftImg8bit", "gtFine"), REMEDY)


def expected(root: Path, set_name: str) -> LabelledSet:
    """Whatever of ``cityscapes/train`` or ``cityscapes/val`` has a photograph or a label map, by city and name.

    Raises:
        DataError: a folder is missing.
    """
    folder, images, maps = folders(root, set_name)
    names = {
        f"{city}/{name}": None
        for side, suffix in ((images, IMAGE), (maps, LABELS))
        for city in label_maps.files(side, "", REMEDY)
        if (side / city).is_dir()
        for name in label_maps.files(side / city, suffix, REMEDY)
    }
    pairs = tuple(Pair(name, images / f"{name}{IMAGE}", maps / f"{name}{LABELS}") for name in sorted(names))
    return LabelledSet(folder, pairs, images)


listed = partial(label_maps.complete, expected, REMEDY)
# What every layout gives `transfer.data`.
check = partial(label_maps.check, listed)
counts = partial(label_maps.counts, listed)
fingerprint = partial(label_maps.fingerprint, listed)
