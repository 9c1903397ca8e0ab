"""Faults planted in a set of generated scenes: each is found where it is, and none hides another."""

import pytest
from faults import ADE, FAULTS, XML, edit_json, swap, truncate
from looking import TASKS, look, of, states

from ground.errors import DataError
from transfer.audit import files
from transfer.audit.findings import evenly
from transfer.audit.official import SETS


def test_sound_data_are_ready_for_everything(scenes):
    found = look(scenes)
    assert found.findings == {}
    assert states(found) == dict.fromkeys([*TASKS, "COCO+"], "ready")
    counts = {(unit.layout, unit.name): (len(unit.images), unit.looked_into) for unit in found.units}
    assert counts["coco", "coco/train2017"] == counts["images", "coco/train2017"] == (12, 12)
    assert counts["voc_maps", "VOC2012/aug"] == (3, 3)
    assert {unit.state for unit in found.units} == {"sound, a part"}
    assert {unit.state for unit in look(scenes, generated=True).units} == {"sound"}


@pytest.mark.parametrize(("break_it", "kind", "words"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_found_and_the_others_stay_ready(copy, break_it, kind, words):
    break_it(copy)
    found = look(copy)
    lines = [f"{each.file}: {each.problem}" for each in found.findings if each.kind == kind and each.grave]
    assert any(words in line for line in lines), list(found.findings)
    assert all(each.remedy and "\n" not in f"{each.problem}{each.remedy}" for each in found.findings)
    tasks_at_fault = [title for title, state in states(found).items() if state.startswith("at fault")]
    assert tasks_at_fault
    assert list(states(found).values()).count("ready") >= 3


def test_no_fault_hides_another(copy):
    broken = [3, 6, 10, 13, 16, 23, 27, 31, 32, 33]
    for place in broken:
        FAULTS[place][0](copy)
    lines = {f"{each.file}: {each.problem}" for each in look(copy).findings}
    for place in broken:
        assert any(FAULTS[place][2] in line for line in lines), FAULTS[place][1:]


def test_two_faults_of_one_annotation_are_two(copy):
    boxes = "<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>9</xmax><ymax>20</ymax></bndbox>"
    wrong = f"<object><name>unicorn</name>{boxes}</object>"
    swap(XML, r"</annotation>\s*$", f"{wrong}</annotation>")(copy)
    problems = [each.problem for each in look(copy, ["voc_detection"]).findings]
    assert problems == ["box (9, 9, 9, 20) of `unicorn` is empty", "unknown class `unicorn`"]


def test_what_is_ready_is_what_a_plan_takes(copy):
    edit_json(copy, lambda content: content["categories"].append({"id": 99, "name": "unicorn"}))
    found = look(copy, ["coco_detection"])
    assert states(found)["coco_detection"] == "at fault"
    finding, names = of(found, "refused")
    assert "has other categories than" in finding.problem
    assert names == ["coco_detection"]


def test_strict_wants_the_official_number(scenes):
    found = look(scenes, ["ade20k"], strict=True)
    assert states(found)["ade20k"] == "at fault: ade20k/training, ade20k/validation"
    problems = {each.problem for each in found.findings}
    assert "3 images where the official set has 20210" in problems


def test_a_sample_is_even_and_full_is_all(monkeypatch, copy):
    assert evenly([*"abcdefghij"], 4) == [*"acfh"]
    assert evenly([*"ab"], 4) == evenly([*"ab"], None) == [*"ab"]
    monkeypatch.setattr("transfer.audit.run.SAMPLE", 2)
    truncate("coco/train2017/000000000010.jpg")(copy)
    sampled = look(copy, ["coco_detection"])
    assert {unit.looked_into for unit in sampled.units} == {2}
    assert sampled.findings == {}
    assert of(look(copy, ["coco_detection"], full=True), "image cannot be decoded")[1] == ["coco/train2017"]


def test_several_processes_find_the_same(monkeypatch, copy):
    for place in (0, 6, 17):
        FAULTS[place][0](copy)
    alone = look(copy).findings
    monkeypatch.setattr(files, "FEW", 0)
    assert look(copy, workers=2).findings == alone
    assert len(alone) >= 3


def test_a_task_of_another_package_is_asked_by_its_own_check(copy, monkeypatch):
    monkeypatch.setattr("transfer.audit.lists.known", lambda layout: layout != "ade20k")
    assert states(look(copy))["ade20k"] == "ready"
    (copy / ADE / "images/training/ADE_train_00000001.jpg").unlink()
    found = look(copy)
    assert states(found)["ade20k"] == "at fault"
    assert "ADE_train_00000001.jpg" in of(found, "refused")[0].file


def test_a_root_that_is_none_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no such folder"):
        look(tmp_path / "nowhere")


def test_official_numbers_agree_with_each_other():
    images = {key: official.images for key, official in SETS.items()}
    aug = images["voc_maps", "VOC2012/aug"] + images["voc_maps", "VOC2012/train"]
    assert aug == images["voc_maps", "VOC2012/trainaug"] == 10582
    assert images["voc", "VOC2007/trainval"] + images["voc", "VOC2007/test"] == 9963
    assert sum(images["cityscapes", f"cityscapes/{split}"] for split in ("train", "val", "test")) == 5000
    assert images["images", "coco/train2017"] == images["coco", "coco/train2017"] == 118287
