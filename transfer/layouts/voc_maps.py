"""PASCAL VOC's segmentation, with the additional label maps of SBD. Light: imports no torch.

VOC2012/ImageSets/Segmentation/train.txt        one image name a line; aug.txt and trainaug.txt name SBD's, too
VOC2012/JPEGImages/2007_000032.jpg
VOC2012/SegmentationClass/2007_000032.png       0 is the background, 255 the border between objects, not evaluated
VOC2012/SegmentationClassAug/2008_000002.png    of the lists with `aug` in their name
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from transfer.layouts import label_maps, voc
from transfer.layouts.label_maps import LabelledSet, Pair

IGNORED = 255
KNOWN = frozenset({*range(len(voc.CLASSES) + 1), IGNORED})
"""Values that a label map may hold: the background, the classes from 1 on, what is not evaluated."""
VOID = frozenset({IGNORED})
"""Those of them that are no class."""
MAPS, AUGMENTED = "SegmentationClass", "SegmentationClassAug"
_SBD = (
    "Write SBD's maps as PNG into SegmentationClassAug/ and its names into ImageSets/Segmentation/aug.txt, without "
    "those of train.txt and val.txt (mmsegmentation: tools/dataset_converters/voc_aug.py)."
)


def listed(root: Path, set_name: str) -> LabelledSet:
    """The pairs of ``VOC2012/train``, ``VOC2012/aug``, …, in the list's order.

    Raises:
        DataError: the list, a folder or a file is missing, or the list names an image twice.
    """
    named = expected(root, set_name)
    problems = voc.list_problems(named.where, [pair.name for pair in named.pairs])
    if problems:
        raise problems[0]
    label_maps.require_all(named.pairs, named.where, remedy(set_name))
    return named


def expected(root: Path, set_name: str) -> LabelledSet:
    """What the list names, whether or not it is there.

    Raises:
        DataError: the folder or the list is missing.
    """
    year, split = set_name.split("/")
    folder = voc.home(root, year)
    maps = folder / (AUGMENTED if "aug" in split else MAPS)
    file = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
    names = voc.lines(file, remedy(set_name))
    images = folder / "JPEGImages"
    return LabelledSet(folder, tuple(Pair(name, images / f"{name}.jpg", maps / f"{name}.png") for name in names), file)


def remedy(set_name: str) -> str:
    """Where its label maps and its list come from."""
    return _SBD if "aug" in set_name else "Unpack the data set's trainval archive again, or name a list it has."


# What every layout gives `transfer.data`.
check = partial(label_maps.check, listed)
counts = partial(label_maps.counts, listed)
fingerprint = partial(label_maps.fingerprint, listed)
