"""``harness data check`` on generated scenes, as a user sees it."""

import json
import shutil

import pytest

from ground.progress import silent
from harness import cli
from transfer.scenes.spec import Ade20k, Cityscapes, Coco, SceneSpec, Voc2007, Voc2012
from transfer.scenes.write import DONE, write

SPEC = SceneSpec(
    shorter=(60, 72),
    scale=(0.2, 0.55),
    coco=Coco(train2017=6, val2017=2, unlabeled2017=2),
    voc2007=Voc2007(trainval=4, test=2),
    voc2012=Voc2012(train=2, val=2, aug=2),
    cityscapes=Cityscapes(train=2, val=1),
    ade20k=Ade20k(training=2, validation=1),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes") / "set"
    write(root, SPEC, silent)
    return root


@pytest.fixture
def root(whole, tmp_path):
    """A copy that passes for real data, to be broken."""
    copied = shutil.copytree(whole, tmp_path / "root")
    (copied / DONE).unlink()
    return copied


def check(capsys, root, *options):
    """Exit code, stdout, stderr."""
    code = cli.main(["data", "check", str(root), *options])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_generated_scenes_are_ready_and_held_against_what_they_were_drawn_from(whole, capsys):
    code, said, _ = check(capsys, whole)
    assert code == 0
    assert "(generated scenes)" in said
    assert "0 faults, 0 remarks; 7 of 7 ready" in said
    assert "agree with what they were drawn from" in said


def test_a_picture_of_another_scene_is_found_in_generated_scenes(whole, tmp_path, capsys):
    root = shutil.copytree(whole, tmp_path / "root")
    shutil.copy(root / "VOC2012/Annotations/2012_000001.xml", root / "VOC2012/Annotations/2012_000003.xml")
    code, said, _ = check(capsys, root)
    assert code == 1
    assert "\ngenerated scenes: " in said


def test_half_of_the_data_sets_will_do(root, capsys):
    for folder in ("cityscapes", "ADEChallengeData2016", "coco/unlabeled2017"):
        shutil.rmtree(root / folder)
    code, said, _ = check(capsys, root)
    assert code == 0
    assert "cityscapes/train    label maps  -           2975  -        not there" in said
    assert "cityscapes             not there: cityscapes/train, cityscapes/val" in said
    assert "coco_detection         ready" in said
    assert f"coco/unlabeled2017: {root}/coco/unlabeled2017 is not there. Unpack http" in said
    assert "0 faults, 0 remarks; 4 of 7 ready" in said


def test_faults_are_shown_by_kind_with_their_remedy_and_all_are_written(root, tmp_path, capsys):
    for path in sorted((root / "VOC2007/Annotations").iterdir()):
        path.write_text("<annotation/>")
    code, said, _ = check(capsys, root, "--json", str(tmp_path / "found.json"))
    assert code == 1
    assert "voc_detection          at fault: VOC2007/trainval, VOC2007/test" in said
    assert "  annotation at fault: 4 in VOC2007/trainval\n" in said
    assert f"    {root}/VOC2007/Annotations/000001.xml: <size/width> is missing, not a number\n" in said
    assert "      → Unpack it again or correct it.\n    and 1 more: --all shows them" in said
    assert said.count("<size/width>") == 5
    assert check(capsys, root, "--all")[1].count("<size/width>") == 6
    written = json.loads((tmp_path / "found.json").read_text())
    assert [finding["of"] for finding in written["findings"]].count(["VOC2007/trainval"]) == 4
    assert {each["name"]: each["state"] for each in written["purposes"]}["ade20k"] == "ready"
    assert {each["name"]: each["images"] for each in written["sets"]}["VOC2012/aug"] == 2


def test_only_what_is_asked_for_is_looked_at(root, capsys):
    (root / "VOC2007/Annotations/000001.xml").write_text("")
    code, said, _ = check(capsys, root, "--tasks", "ade20k,cityscapes")
    assert code == 0
    assert "VOC" not in said
    assert "pre-training" not in said
    assert "2 of 2 ready" in said
    code, said, _ = check(capsys, root, "--tasks", "ade20k", "--pretrain-images", str(root / "coco"))
    assert (code, f"images of {root}/coco" in said) == (0, True)
    code, said, _ = check(capsys, root, "--tasks", "ade20k", "--strict")
    assert code == 1
    assert "2 images where the official set has 20210" in said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["{root}/VOC2007"],
            "root/VOC2007: is the folder of PASCAL VOC itself. Set the data root to the folder above it.",
        ),
        (["{root}/.."], "holds no data set, but root/ in it does. Set the data root to"),
        (["{root}/nowhere"], "nowhere: no such folder."),
        (["{root}", "--tasks", "ade20"], "task `ade20`: unknown. Did you mean `ade20k`?"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line_and_2(root, arguments, line, capsys):
    code, said, errors = check(capsys, *[each.format(root=root) for each in arguments])
    assert (code, said, errors.count("\n")) == (2, "", 1)
    assert line in errors


def test_a_root_with_nothing_of_what_is_asked_for_is_said_to_be_one(tmp_path, capsys):
    (tmp_path / "photographs").mkdir()
    code, said, errors = check(capsys, tmp_path, "--tasks", "voc_detection")
    assert (code, said) == (2, "")
    assert "holds none of what is asked for (VOC2007, VOC2012)" in errors


def test_the_plan_points_to_the_check(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    shutil.rmtree(root / "cityscapes")
    assert cli.main(["plan", "2", "--only", "random-init", "--data", "."]) == 1
    said = capsys.readouterr().out
    assert "no data for cityscapes: cityscapes: no such folder. Unpack leftImg8bit" in said
    assert "`harness data check .` names every fault." in said
    shutil.rmtree(root / "VOC2012")
    assert cli.main(["plan", "2", "--only", "random-init", "--data", "."]) == 2
    assert capsys.readouterr().err.count("`harness data check .` names every fault.") == 1
