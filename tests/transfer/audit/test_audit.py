"""Faults planted in a set of generated scenes: each is found where it is, and none hides another."""

import json
import re
import shutil
import subprocess
from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

from ground.errors import DataError
from ground.progress import silent
from transfer import tasks
from transfer.audit import files
from transfer.audit.findings import evenly
from transfer.audit.official import SETS
from transfer.audit.run import Wanted, audit
from transfer.layouts import cityscapes

TASKS = ("ade20k", "cityscapes", "coco_detection", "voc_detection", "voc_segmentation")
TRAIN = "coco/annotations/instances_train2017.json"
LISTS = "VOC2012/ImageSets/Segmentation"


def unheard(title):
    return nullcontext(silent)


def look(root, names=TASKS, **options):
    folders = [root / "coco" / name for name in ("train2017", "unlabeled2017")]
    wanted = Wanted([tasks.resolve(name, {}) for name in names], {"COCO+": folders}, **options)
    return audit(root, wanted, {folder: sorted(folder.iterdir()) for folder in folders if folder.is_dir()}, unheard)


def states(found):
    return {purpose.title: purpose.state for purpose in found.purposes}


def of(found, kind):
    """The one finding of a kind, with the sets it concerns."""
    ((finding, names),) = [each for each in found.findings.items() if each[0].kind == kind]
    return finding, names


def edit_json(root, change):
    content = json.loads((root / TRAIN).read_text())
    change(content)
    (root / TRAIN).write_text(json.dumps(content))


def paint(path, change):
    with Image.open(path) as file:
        labels, palette = np.array(file), file.getpalette()
    changed = Image.fromarray(change(labels))
    if palette and changed.mode == "L":
        changed.putpalette(palette)
    changed.save(path)


def filled(value):
    def change(labels):
        labels[:2, :3] = value
        return labels

    return change


def put(file, text):
    return lambda root: (root / file).write_text(text)


def add(file, text):
    return lambda root: (root / file).write_text((root / file).read_text() + text)


def remove(file):
    return lambda root: (root / file).unlink()


def swap(file, pattern, new):
    return lambda root: (root / file).write_text(re.sub(pattern, new, (root / file).read_text(), count=1))


def truncate(file):
    return lambda root: (root / file).write_bytes((root / file).read_bytes()[: (root / file).stat().st_size // 2])


def a_folder_instead(file):
    def change(root):
        (root / file).unlink()
        (root / file).mkdir()

    return change


def empty(*folders):
    def change(root):
        for folder in folders:
            shutil.rmtree(root / folder)
            (root / folder).mkdir()

    return change


def into_the_wrong_split(root):
    for kind in ("leftImg8bit", "gtFine"):
        shutil.move(root / "cityscapes" / kind / "val/lindau", root / "cityscapes" / kind / "train/lindau")


def a_test_image_trained_on(root):
    shutil.copy(root / "coco/val2017/000000000002.jpg", root / "coco/train2017/000000000002.jpg")
    entry = {"id": 999, "file_name": "000000000002.jpg", "height": 60, "width": 60}
    with Image.open(root / "coco/train2017/000000000002.jpg") as image:
        entry["width"], entry["height"] = image.size
    edit_json(root, lambda content: content["images"].append(entry))


def change(path, **fields):
    """Change the fields of one entry of the JSON: ``images.3``."""
    sort, place = path.split(".")
    return lambda root: edit_json(root, lambda content: content[sort][int(place)].update(fields))


def twice(content):
    content["images"].append({**content["images"][0], "file_name": "000000000099.jpg"})


ADE = "ADEChallengeData2016"
CITY = "cityscapes/gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"
AUG = "VOC2012/SegmentationClassAug/2012_000003.png"
XML = "VOC2007/Annotations/000001.xml"
FAULTS = [
    (
        truncate("coco/train2017/000000000004.jpg"),
        "image cannot be decoded",
        "000000000004.jpg: cannot be decoded (",
    ),
    (a_folder_instead("VOC2007/JPEGImages/000003.jpg"), "image cannot be decoded", "000003.jpg: is a folder"),
    (put("VOC2007/JPEGImages/000002.jpg", ""), "image cannot be decoded", "000002.jpg: cannot be decoded"),
    (
        remove("coco/train2017/000000000007.jpg"),
        "image missing",
        "0007.jpg: no such file, but instances_train2017.json",
    ),
    (remove("VOC2007/JPEGImages/000003.jpg"), "image missing", "VOC2007/JPEGImages/000003.jpg: no such file"),
    (remove(XML), "annotation missing", "000001.xml: no such file"),
    (put(XML, "<annotation><size>"), "annotation at fault", "000001.xml: not valid XML"),
    (swap(XML, "<name>.*?<", "<name>unicorn<"), "annotation at fault", "000001.xml: unknown class `unicorn`"),
    (swap(XML, "<xmin>.*?<", "<xmin>90<"), "annotation at fault", "is empty"),
    (swap(XML, "<height>.*?<", "<height>300<"), "annotation of another size", "000001.xml: says "),
    (change("annotations.0", category_id=999), "annotation at fault", "is of unknown category 999"),
    (change("annotations.0", image_id=12345), "annotation at fault", "is of unknown image 12345"),
    (change("images.3", width="wide"), "image entry at fault", "image 10 lacks `width`"),
    (lambda root: edit_json(root, twice), "image entry at fault", "image id 1 is given twice"),
    (put(TRAIN, "{"), "annotation file at fault", "not valid JSON"),
    (change("images.3", width=37, height=500), "image of another size", "0010.jpg: is "),
    (lambda root: paint(root / AUG, filled(200)), "label out of range", "holds 200 in 6 pixels; known are 0-20, 255"),
    (lambda root: paint(root / CITY, filled(77)), "label out of range", "holds 77 in 6 pixels; known are 0-33"),
    (
        lambda root: paint(root / ADE / "annotations/training/ADE_train_00000002.png", filled(151)),
        "label out of range",
        "holds 151 in 6 pixels; known are 0-150",
    ),
    (lambda root: paint(root / AUG, lambda a: a[5:, 3:]), "label map of another size", "where 2012_000003.jpg is"),
    (lambda root: paint(root / AUG, lambda a: np.stack([a] * 3, 2)), "label map in colour", "has mode RGB"),
    (put(AUG, "no image"), "label map cannot be decoded", "2012_000003.png: cannot be decoded"),
    (remove(AUG), "label map missing", "2012_000003.png: no such file"),
    (remove(CITY), "label map missing", "aachen_000000_000019_gtFine_labelIds.png: no such file"),
    (remove(f"{ADE}/images/training/ADE_train_00000001.jpg"), "image missing", "ADE_train_00000001.jpg: no such file"),
    (lambda root: shutil.rmtree(root / "cityscapes/gtFine/val"), "folder missing", "gtFine/val: no such folder"),
    (
        empty(f"{ADE}/images/validation", f"{ADE}/annotations/validation"),
        "nothing in it",
        "images/validation: holds no",
    ),
    (into_the_wrong_split, "file in the wrong folder", "is of lindau, a city of val, not train"),
    (
        lambda root: shutil.copytree(root / "cityscapes/gtFine/val/lindau", root / "cityscapes/gtFine/val/frankfurt2"),
        "file in the wrong folder",
        "is of lindau, not frankfurt2",
    ),
    (put(f"{LISTS}/val.txt", "\n"), "list at fault", "val.txt: lists no image"),
    (add(f"{LISTS}/aug.txt", "2012_000003\n"), "list at fault", "aug.txt: lists `2012_000003` twice"),
    (add(f"{LISTS}/aug.txt", "a.jpg b.png\n"), "list at fault", "`a.jpg b.png` is no image name"),
    (add(f"{LISTS}/aug.txt", "2012_000002\n"), "trained on and tested on", "is in VOC2012/val, too (the same file)"),
    (a_test_image_trained_on, "trained on and tested on", "is in coco/val2017, too (the same name and size"),
]


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


def run_remedy(line):
    subprocess.run(["bash", "-ec", line[line.index("cd ") :]], check=True)


def test_the_remedies_for_sbds_list_do_what_they_say(copy):
    before = (copy / LISTS / "aug.txt").read_text()
    (copy / LISTS / "train_aug.txt").rename(copy / LISTS / "trainaug.txt")
    (copy / LISTS / "aug.txt").unlink()
    absent = {unit.name: unit.absent for unit in look(copy).units}
    run_remedy(absent["VOC2012/aug"])
    assert (copy / LISTS / "aug.txt").read_text() == before
    add(f"{LISTS}/aug.txt", "2012_000002\n2012_000005\n")(copy)
    both = [each for each in look(copy).findings if each.kind == "trained on and tested on"]
    assert len(both) == 2
    run_remedy(both[0].remedy)
    assert (copy / LISTS / "aug.txt").read_text() == before
    assert states(look(copy))["voc_segmentation"] == "ready"


@pytest.mark.parametrize(
    ("task", "name", "remedy"),
    [
        ("voc_segmentation", "VOC2012/aug", "Take {0.stem} off {1}/VOC2012/ImageSets/Segmentation/aug.txt."),
        ("voc_detection", "VOC2007/trainval", "Take {0.stem} off {1}/VOC2007/ImageSets/Main/trainval.txt."),
        ("coco_detection", "coco/train2017", "Take {0.name} out of the training set."),
    ],
)
def test_a_test_image_trained_on_under_another_name_is_named(copy, task, name, remedy):
    """A command that compares lists would leave it there."""
    purpose = look(copy, [task]).purposes[0]
    (twin,) = (unit.images[0] for unit in purpose.units if unit.name == name)
    shutil.copy(purpose.test.images[0], twin)
    finding, names = of(look(copy, [task], full=True), "trained on and tested on")
    assert (finding.file, names) == (str(twin), [name])
    assert f"as {purpose.test.images[0]}" in finding.problem
    assert finding.remedy == remedy.format(twin, copy)


def test_an_image_in_two_training_lists_is_a_remark(copy):
    add(f"{LISTS}/aug.txt", "2012_000001\n")(copy)
    found = look(copy)
    finding, names = of(found, "trained on twice")
    assert (finding.grave, names) == (False, ["VOC2012/aug"])
    assert states(found)["voc_segmentation"] == "ready"


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


def test_full_finds_the_same_photograph_under_another_name(copy):
    shutil.copy(copy / "coco/val2017/000000000002.jpg", copy / "coco/train2017/other.jpg")
    shutil.copy(copy / "VOC2007/JPEGImages/000002.jpg", copy / "VOC2007/JPEGImages/000001.jpg")
    shutil.copy(copy / "VOC2007/Annotations/000002.xml", copy / "VOC2007/Annotations/000001.xml")
    assert "pre-trained on and tested on" not in {each.kind for each in look(copy).findings}
    found = look(copy, full=True)
    assert of(found, "pre-trained on and tested on")[0].file.endswith("other.jpg")
    finding, names = of(found, "trained on and tested on")
    assert "000002.jpg" in finding.problem
    assert "the same content" in finding.problem
    assert names == ["VOC2007/trainval"]


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


def test_a_set_no_task_reads_is_looked_at_where_it_is_there(copy):
    for kind in ("leftImg8bit", "gtFine"):
        shutil.copytree(copy / "cityscapes" / kind / "val", copy / "cityscapes" / kind / "test")
    names = {unit.name for unit in look(copy, ["cityscapes"]).units}
    assert "cityscapes/test" in names
    assert "VOC2012/trainaug" not in names


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
