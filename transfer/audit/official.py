"""What the data sets' publishers give out: how many images, and in which archives. Light: imports no torch.

Sources: cocodataset.org (2017 splits); the VOC development kits' statistics (2007: 9,963 images; 2012: table 1 for
boxes, table 2 for masks); SBD's lists united with VOC 2012's train and freed of its val, as mmsegmentation's
``voc_aug.py`` counts them (10,582, of which 1,464 are VOC's); cityscapes-dataset.com; ADE20k's scene-parsing challenge.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Official(NamedTuple):
    """One set as published."""

    images: int
    how: str
    """What to do to have it; ``{root}`` stands for the data root."""


_ZIPS = "http://images.cocodataset.org"
_IMAGES = "Unpack " + _ZIPS + "/zips/{}.zip into {{root}}/coco/."
_COCO = _IMAGES[:-1] + " and " + _ZIPS + "/annotations/annotations_trainval2017.zip there, too."
_VOC7 = "Unpack VOCtrainval_06-Nov-2007.tar (host.robots.ox.ac.uk/pascal/VOC/voc2007) into {root}/."
_VOC7_TEST = "Unpack VOCtest_06-Nov-2007.tar (host.robots.ox.ac.uk/pascal/VOC/voc2007) into {root}/."
_VOC12 = "Unpack VOCtrainval_11-May-2012.tar (host.robots.ox.ac.uk/pascal/VOC/voc2012) into {root}/."
_SBD = (
    "Unpack SBD's benchmark.tgz anywhere and run mmsegmentation's tools/dataset_converters/voc_aug.py on it: it writes "
    "SegmentationClassAug/, aug.txt and trainaug.txt into VOC2012/."
)
_CITIES = (
    "Unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip (cityscapes-dataset.com, after registration) into "
    "{root}/cityscapes/."
)
_ADE = "Unpack ADEChallengeData2016.zip (data.csail.mit.edu/places/ADEchallenge) into {root}/."

SETS: dict[tuple[str, str], Official] = {
    ("images", "coco/train2017"): Official(118287, _IMAGES.format("train2017")),
    ("images", "coco/unlabeled2017"): Official(123403, _IMAGES.format("unlabeled2017")),
    ("coco", "coco/train2017"): Official(118287, _COCO.format("train2017")),
    ("coco", "coco/val2017"): Official(5000, _COCO.format("val2017")),
    ("voc", "VOC2007/trainval"): Official(5011, _VOC7),
    ("voc", "VOC2007/test"): Official(4952, _VOC7_TEST),
    ("voc", "VOC2012/trainval"): Official(11540, _VOC12),
    ("voc_maps", "VOC2012/train"): Official(1464, _VOC12),
    ("voc_maps", "VOC2012/val"): Official(1449, _VOC12),
    ("voc_maps", "VOC2012/aug"): Official(9118, _SBD),
    ("voc_maps", "VOC2012/trainaug"): Official(10582, _SBD),
    ("cityscapes", "cityscapes/train"): Official(2975, _CITIES),
    ("cityscapes", "cityscapes/val"): Official(500, _CITIES),
    ("cityscapes", "cityscapes/test"): Official(1525, _CITIES),
    ("ade20k", "ade20k/training"): Official(20210, _ADE),
    ("ade20k", "ade20k/validation"): Official(2000, _ADE),
}
"""(layout, set) → as published. Cityscapes' test set has no public labels and serves no task."""

CITIES: dict[str, frozenset[str]] = {
    "train": frozenset({
        "aachen", "bochum", "bremen", "cologne", "darmstadt", "dusseldorf", "erfurt", "hamburg", "hanover", "jena",
        "krefeld", "monchengladbach", "strasbourg", "stuttgart", "tubingen", "ulm", "weimar", "zurich",
    }),
    "val": frozenset({"frankfurt", "lindau", "munster"}),
    "test": frozenset({"berlin", "bielefeld", "bonn", "leverkusen", "mainz", "munich"}),
}  # fmt: skip
"""The cities of Cityscapes' splits."""


def remedy(root: Path, layout: str, name: str) -> str:
    """How to get a set that is not there."""
    year, _, split = name.partition("/")
    lists = next((p for p in (root / year, root / "VOCdevkit" / year) if p.is_dir()), root) / "ImageSets/Segmentation"
    if layout == "voc_maps" and split == "aug" and (lists / "trainaug.txt").is_file():
        return f"Write it from the list there is: cd {lists} && grep -vxFf train.txt trainaug.txt > aug.txt"
    official = SETS.get((layout, name))
    if official is None:
        return f"Put it below {root}, or name another set."
    return official.how.replace("{root}", str(root))
