"""Sets that are not there, or that no task reads."""

import shutil

from looking import TASKS, look, states


def test_absent_sets_are_no_fault_and_have_a_remedy(copy):
    shutil.rmtree(copy / "cityscapes")
    shutil.rmtree(copy / "coco/unlabeled2017")
    (copy / "VOC2007/ImageSets/Main/test.txt").unlink()
    (copy / "coco/annotations/instances_val2017.json").unlink()
    found = look(copy)
    assert found.findings == {}
    assert states(found) == {
        "ade20k": "ready",
        "cityscapes": "not there: cityscapes/train, cityscapes/val",
        "coco_detection": "not there: coco/val2017",
        "voc_detection": "not there: VOC2007/test",
        "voc_segmentation": "ready",
        "COCO+": "not there: coco/unlabeled2017",
    }
    absent = {unit.name: unit.absent for unit in found.units}
    assert "Unpack VOCtest_06-Nov-2007.tar" in absent["VOC2007/test"]
    assert f"unlabeled2017.zip into {copy}/coco/." in absent["coco/unlabeled2017"]
    assert "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip" in absent["cityscapes/val"]


def test_a_task_may_do_without_a_training_set_that_is_not_there(copy):
    shutil.rmtree(copy / "VOC2012")
    without = {purpose.title: purpose.without for purpose in look(copy).purposes}
    assert without == {
        **dict.fromkeys([*TASKS, "COCO+"], ""),
        "voc_detection": "--set 'voc_detection.sets.train=[VOC2007/trainval]'",
    }


def test_a_set_no_task_reads_is_looked_at_where_it_is_there(copy):
    for kind in ("leftImg8bit", "gtFine"):
        shutil.copytree(copy / "cityscapes" / kind / "val", copy / "cityscapes" / kind / "test")
    names = {unit.name for unit in look(copy, ["cityscapes"]).units}
    assert "cityscapes/test" in names
    assert "VOC2012/trainaug" not in names
