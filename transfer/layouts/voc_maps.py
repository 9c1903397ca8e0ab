"""PASCAL VOC's segmentation, with the additional label maps of SBD. Light: imports no torch.

VOC2012/ImageSets/Segmentation/train.txt        one image name a line; aug.txt and trainaug.txt name SBD's, too
VOC2012/JPEGImages/2007_000032.jpg
VOC2012/SegmentationClass/2007_000032.png       0 is the background, 255 the border between objects, not evaluated
VOC2012/SegmentationClassAug/2008_000002.png    of the lists with `aug` in their name
"""

from __future__ import annotations

from pathlib import Path

from transfer.layouts import label_maps, voc
from transfer.layouts.label_maps import LabelledSet, Pair, WithSets

IGNORED = 255
KNOWN = frozenset({*range(len(voc.CLASSES) + 1), IGNORED})
"""Values that a label map may hold: the background, the classes from 1 on, what is not evaluated."""
MAPS, AUGMENTED = "SegmentationClass", "SegmentationClassAug"
_REMEDIES = {
    MAPS: "Unpack the data set's trainval archive again, or name a list it has.",
    AUGMENTED: "Write SBD's maps as PNG into SegmentationClassAug/ and its names into ImageSets/Segmentation/aug.txt, "
    "without those of train.txt and val.txt (mmsegmentation: tools/dataset_converters/voc_aug.py).",
}


def listed(root: Path, set_name: str) -> LabelledSet:
    """The pairs of ``VOC2012/train``, ``VOC2012/aug``, …, in the list's order.

    Raises:
        DataError: the list, a folder or a file is missing, or the list names an image twice.
    """
    year, split = set_name.split("/")
    folder = voc.home(root, year)
    maps = AUGMENTED if "aug" in split else MAPS
    file = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
    pairs = tuple(
        Pair(name, folder / "JPEGImages" / f"{name}.jpg", folder / maps / f"{name}.png")
        for name in voc.read_list(file, _REMEDIES[maps])
    )
    label_maps.require_all(pairs, file, _REMEDIES[maps])
    return LabelledSet(folder, pairs, file)


def check(config: WithSets, root: Path) -> None:
    """See `label_maps.check`."""
    label_maps.check(listed, config, root)


def fingerprint(config: WithSets, root: Path) -> str:
    """See `label_maps.fingerprint`."""
    return label_maps.fingerprint(listed, config, root)
