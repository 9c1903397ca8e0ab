"""Images that are tested on and trained on, or trained on twice, under whatever name."""

import shutil
import subprocess

import pytest
from faults import LISTS, add
from looking import look, of, states


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
