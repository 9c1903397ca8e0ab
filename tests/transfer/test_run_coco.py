"""A COCO run from labels to metrics: what it leaves, that it goes on in the same bits, that it learns."""

import json
import re
from pathlib import Path

import pytest
import torch
from pycocotools.coco import COCO
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ground.errors import DataError
from ground.progress import silent
from transfer.evaluators.coco import evaluate
from transfer.layouts import coco
from transfer.run import run

LOSSES = {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_mask"}


@pytest.fixture
def fine_tune(tiny_coco, coco_root, backbone, tmp_path):
    def call(out, *, report=silent, seed=0, **changes):
        config = tiny_coco.model_copy(update=changes)
        folder = tmp_path / out
        arguments = {"tool": "torchvision", "seed": seed, "weights": backbone, "data": coco_root}
        return run(config, out=folder, report=report, **arguments), folder

    return call


def same(one, two):
    first, second = (torch.load(folder / "checkpoint.pt", weights_only=True)["model"] for folder in (one, two))
    detections = (one / "detections.json").read_bytes() == (two / "detections.json").read_bytes()
    return detections and all(torch.equal(first[name], second[name]) for name in first)


def curve(folder, name):
    curves = EventAccumulator(str(folder / "curves"))
    curves.Reload()
    return [event.value for event in curves.Scalars(f"train/{name}")]


@pytest.mark.parametrize("at", [3, 5, 8, 11], ids=["before a checkpoint", "later", "in precise BN", "in the test"])
def test_a_killed_run_ends_in_the_same_bits(fine_tune, at, killed_at):
    straight, folder = fine_tune("straight")
    killed_at(at, lambda report: fine_tune("killed", report=report))
    resumed, again = fine_tune("killed")
    assert resumed == straight
    assert same(folder, again)


def test_readers_change_no_bit_and_another_seed_does(fine_tune):
    _, alone = fine_tune("alone")
    _, helped = fine_tune("helped", workers=2)
    _, other = fine_tune("other", seed=1)
    assert same(alone, helped)
    assert not same(alone, other)


def test_what_a_run_leaves_is_cocos_format_and_gives_its_metrics(fine_tune, tiny_coco, coco_root):
    metrics, folder = fine_tune("out")
    assert set(metrics) == set(tiny_coco.metrics)
    assert all(len(curve(folder, name)) == 6 for name in LOSSES)
    results = json.loads((folder / "detections.json").read_text())
    assert {row["category_id"] for row in results} <= {1, 7, 90}
    assert {row["image_id"] for row in results} == set(range(12, 17))
    labels = coco.load(tiny_coco, coco_root)
    for kind in ("bbox", "segm"):
        assert evaluate(labels.test, labels.classes, results, kind).items() <= metrics.items()
    official = COCO(str(coco_root / "coco/annotations/instances_val2017.json")).loadRes(str(folder / "detections.json"))
    assert official.annToMask(official.dataset["annotations"][0]).shape in ((48, 64), (64, 48))


def test_images_without_objects_are_learnt_from_and_tested(fine_tune, coco_root):
    """Of eleven images one has an object; the others have a box without an area, which detectron2 keeps them for."""
    file = coco_root / "coco/annotations/instances_train2017.json"
    content = json.loads(file.read_text())
    for each in content["annotations"][1:]:
        each["bbox"][2] = 0
    file.write_text(json.dumps(content))
    metrics, _ = fine_tune("out")
    assert all(value >= 0 for value in metrics.values())


def test_bad_labels_stop_before_anything_is_written(fine_tune, coco_root, tmp_path):
    file: Path = coco_root / "coco/annotations/instances_val2017.json"
    file.write_text(re.sub(r'"category_id": \d+', '"category_id": 8', file.read_text(), count=1))
    with pytest.raises(DataError, match=r"instances_val2017\.json: annotation \d+ is of unknown category 8"):
        fine_tune("out")
    assert not (tmp_path / "out").exists()


def test_fine_tuning_learns(fine_tune, tiny_coco):
    """Seventy steps on eleven images bring the losses of regions and masks down."""
    schedule = tiny_coco.schedule.model_copy(update={"iterations": 70, "steps": (60,), "batch": 4, "base_lr": 0.04})
    _, folder = fine_tune("out", schedule=schedule, checkpoint_every=1000)
    for name, share in (("loss", 0.8), ("loss_classifier", 0.8), ("loss_mask", 0.9)):
        losses = curve(folder, name)
        assert sum(losses[-10:]) < share * sum(losses[:10]), name
