"""What is odd and keeps nothing from being ready, until a whole set is so."""

import json
import re
import shutil

import numpy as np
import pytest
from faults import AUG, TRAIN, change, paint
from looking import look, of, states

from transfer.layouts import cityscapes


def test_remarks_of_coco_keep_nothing_from_being_ready(copy):
    shutil.copy(copy / "coco/train2017/000000000001.jpg", copy / "coco/train2017/mine.jpg")
    first = json.loads((copy / TRAIN).read_text())["annotations"][0]
    change("annotations.0", bbox=[*first["bbox"][:2], 0, first["bbox"][3]])(copy)
    found = look(copy)
    assert {each.kind for each in found.findings} == {"unlabelled image", "boxes without an area"}
    flat = of(found, "boxes without an area")[0].problem
    assert re.fullmatch(rf"1 of \d+ boxes have no area \(annotation {first['id']}\): they are not trained on", flat)
    assert "coco/train2017/mine.jpg" in of(found, "unlabelled image")[0].file
    assert set(states(found).values()) == {"ready"}


def test_a_map_without_a_photograph_is_a_remark(copy):
    shutil.copy(copy / AUG, copy / "VOC2012/SegmentationClassAug/2012_999999.png")
    finding, names = of(look(copy), "label map of no image")
    assert finding.file.endswith("2012_999999.png")
    assert (finding.grave, names) == (False, ["VOC2012/aug"])


def all_void(value):
    def change(labels):
        return np.full_like(labels, value)

    return change


def as_train_ids(labels):
    table = np.zeros(256, dtype=np.uint8)
    for label, train in cityscapes.TRAIN_IDS.items():
        table[label] = train
    return table[labels]


MAPS = [
    ("cityscapes/train", all_void(0), "label map without a label", "holds 0 alone"),
    ("cityscapes/train", as_train_ids, "label map written otherwise", "holds values of 0-18"),
    ("ade20k/training", all_void(0), "label map without a label", "holds 0 alone"),
    ("VOC2012/aug", all_void(255), "label map without a label", "holds 255 alone"),
]


@pytest.mark.parametrize(("name", "change", "kind", "words"), MAPS)
def test_a_map_without_a_label_is_a_remark_and_a_set_of_them_a_fault(copy, name, change, kind, words):
    (maps,) = (list(unit.maps) for unit in look(copy).units if unit.name == name and unit.maps)
    paint(maps[0], change)
    finding, names = of(look(copy), kind)
    assert (finding.file, finding.grave, names) == (str(maps[0]), False, [name])
    assert finding.problem.startswith(words)
    for path in maps[1:]:
        paint(path, change)
    found = look(copy)
    finding, names = of(found, "labels are not what the layout promises")
    assert (finding.grave, names) == (True, [name])
    assert f"of {len(maps)} label maps looked into" in finding.problem
    assert words in finding.problem
    assert kind not in {each.kind for each in found.findings}
    assert f"at fault: {name}" in states(found).values()


def test_the_public_maps_of_cityscapes_test_set_may_hold_no_class(copy):
    for kind in ("leftImg8bit", "gtFine"):
        shutil.copytree(copy / "cityscapes" / kind / "val/lindau", copy / "cityscapes" / kind / "test/lindau")
    for path in (copy / "cityscapes/gtFine/test").rglob("*_labelIds.png"):
        paint(path, all_void(3))
    assert {each.kind for each in look(copy, ["cityscapes"]).findings} == {"file in the wrong folder"}
