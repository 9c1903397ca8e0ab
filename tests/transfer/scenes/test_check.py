"""The self-check passes what was written and names the file of every kind of fault."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ground.errors import DataError
from ground.progress import silent
from transfer.scenes.check import check

TRAIN = "coco/annotations/instances_train2017.json"
XML = "VOC2007/Annotations/000001.xml"
AUG_XML = "VOC2012/Annotations/2012_000003.xml"
CITY = "cityscapes/gtFine/train/aachen/aachen_000000_000019_gtFine"
ADE = "ADEChallengeData2016/annotations/training/ADE_train_00000002.png"


def test_a_fresh_set_passes_and_every_image_is_counted(scenes):
    steps = []
    check(scenes, lambda step, total, **numbers: steps.append((step, total)))
    assert steps[-1] == (44, 44)


def edit(name, change):
    """A fault: the JSON file ``name`` changed in place by ``change``."""

    def fault(root: Path) -> str:
        content = json.loads((root / name).read_text())
        change(content)
        (root / name).write_text(json.dumps(content))
        return name

    return fault


def annotation(change, *, crowd=False):
    def first(content):
        change(next(each for each in content["annotations"] if each["iscrowd"] == crowd))

    return edit(TRAIN, first)


def repaint(name, change):
    """A fault: the label map ``name`` changed in place by ``change``."""

    def fault(root: Path) -> str:
        with Image.open(root / name) as image:
            array, colours = np.array(image), image.getpalette()
        change(array)
        changed = Image.fromarray(array)
        if colours:
            changed.putpalette(colours)
        changed.save(root / name)
        return name

    return fault


def replace(name, pattern, to, named=None):
    """A fault: the first match of ``pattern`` in the text file ``name`` replaced."""

    def fault(root: Path) -> str:
        text, count = re.subn(pattern, to, (root / name).read_text(), count=1)
        assert count
        (root / name).write_text(text)
        return named or name

    return fault


def lose(name):
    def fault(root: Path) -> str:
        (root / name).unlink()
        return name

    return fault


def truncate(name):
    def fault(root: Path) -> str:
        (root / name).write_bytes((root / name).read_bytes()[:-200])
        return name

    return fault


def resize(name):
    def fault(root: Path) -> str:
        Image.open(root / name).resize((50, 50)).save(root / name)
        return name

    return fault


def one_more(value):
    return str(int(value[1]) + 1)


def swap_pixel(array):
    """Give one inner pixel of an object another class."""
    values, counts = np.unique(array, return_counts=True)
    largest = values[np.argmax(counts)]
    place = tuple(np.argwhere(array == largest)[0])
    array[place] = next(value for value in values if value not in (largest, 255))


FAULTS = {
    "coco image lost": lose("coco/val2017/000000000002.jpg"),
    "coco image truncated": truncate("coco/unlabeled2017/000000000003.jpg"),
    "coco image of another size": resize("coco/train2017/000000000004.jpg"),
    "coco json lost": lose(TRAIN),
    "coco json truncated": truncate(TRAIN),
    "coco image unlisted": edit(TRAIN, lambda content: content["images"].pop()),
    "coco box moved": annotation(lambda each: each["bbox"].__setitem__(0, each["bbox"][0] + 1)),
    "coco box grown": annotation(lambda each: each["bbox"].__setitem__(3, each["bbox"][3] + 1)),
    "coco area": annotation(lambda each: each.update(area=each["area"] + 1)),
    "coco vertex moved": annotation(lambda each: each["segmentation"][0].__setitem__(0, 0)),
    "coco polygon lost": annotation(lambda each: each.update(segmentation=[])),
    "coco crowd runs": annotation(lambda each: each["segmentation"]["counts"].__setitem__(0, 3), crowd=True),
    "coco crowd flag": annotation(lambda each: each.update(iscrowd=1)),
    "coco category unknown": annotation(lambda each: each.update(category_id=90)),
    "coco field lost": annotation(lambda each: each.pop("bbox")),
    "coco image unknown": annotation(lambda each: each.update(image_id=2)),
    "coco annotations lost": edit(TRAIN, lambda content: content.update(annotations=[])),
    "coco mask twice": edit(TRAIN, lambda c: c["annotations"].append({**c["annotations"][0], "id": 0})),
    "coco images field lost": edit(TRAIN, lambda content: content.pop("images")),
    "coco category list": edit(TRAIN, lambda content: content["categories"].pop()),
    "voc image lost": lose("VOC2007/JPEGImages/000001.jpg"),
    "voc xml broken": truncate(XML),
    "voc box too small": replace(XML, r"<xmax>(\d+)", lambda match: f"<xmax>{int(match[1]) - 4}"),
    "voc box too large": replace(XML, r"<ymin>(\d+)", lambda match: f"<ymin>{int(match[1]) - 3}"),
    "voc box empty": replace(XML, r"<xmin>\d+</xmin>", "<xmin>99</xmin>"),
    "voc box outside": replace(XML, r"<ymax>\d+", "<ymax>999"),
    "voc class unknown": replace(XML, r"<name>\w+", "<name>unicorn"),
    "voc class wrong": replace(XML, r"<name>(?!sheep)\w+", "<name>sheep"),
    "voc size": replace(
        XML, r"<width>(\d+)", lambda match: f"<width>{one_more(match)}", "VOC2007/JPEGImages/000001.jpg"
    ),
    "voc aug box": replace(AUG_XML, r"<xmin>(\d+)", lambda match: f"<xmin>{one_more(match)}"),
    "voc class map": repaint("VOC2012/SegmentationClass/2012_000001.png", swap_pixel),
    "voc aug only map": repaint("VOC2012/SegmentationClassAug/2012_000003.png", lambda a: a.__imul__(a != a.max())),
    "voc aug map": repaint("VOC2012/SegmentationClassAug/2012_000001.png", swap_pixel),
    "voc object grown": repaint("VOC2007/SegmentationObject/000001.png", lambda array: array.__setitem__((0, 0), 1)),
    "voc object map": repaint("VOC2007/SegmentationObject/000001.png", lambda array: array.__imul__(array != 1)),
    "voc list": replace("VOC2012/ImageSets/Segmentation/aug.txt", r"2012_000003\n", ""),
    "voc list lost": lose("VOC2007/ImageSets/Main/test.txt"),
    "city labels": repaint(f"{CITY}_labelIds.png", lambda array: array.__setitem__((5, 5), 30)),
    "city train ids": repaint(f"{CITY}_labelTrainIds.png", swap_pixel),
    "city instances": repaint(f"{CITY}_instanceIds.png", lambda array: array.__setitem__((5, 5), 26000)),
    "city polygons": edit(f"{CITY}_polygons.json", lambda content: content["objects"][3]["polygon"].pop(0)),
    "city size field lost": edit(f"{CITY}_polygons.json", lambda content: content.pop("imgWidth")),
    "city polygons lost": lose(f"{CITY}_polygons.json"),
    "ade class": repaint(ADE, lambda array: array.__setitem__((5, 5), 150)),
    "ade size": resize(ADE),
    "ade lost": lose(ADE),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found_and_its_file_named(copy, fault):
    named = fault(copy)
    with pytest.raises(DataError) as caught:
        check(copy, silent)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "generate them again" in str(caught.value)


def test_an_unfinished_set_is_not_checked(copy):
    (copy / "scenes.json").unlink()
    with pytest.raises(DataError, match=r"no scenes\.json"):
        check(copy, silent)
