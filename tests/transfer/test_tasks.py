"""Tasks are the paper's protocols, and wrong settings are named."""

import pytest

from ground.config import identity
from ground.errors import ConfigError
from transfer import tool
from transfer.tasks import names, resolve


def test_voc_detection_is_the_papers_protocol():
    config = resolve("voc_detection", {})
    assert "voc_detection" in names()
    assert (config.runs, config.metrics) == (5, ("AP", "AP50", "AP75"))
    assert config.sets.train == ("VOC2007/trainval", "VOC2012/trainval")
    assert config.sets.test == "VOC2007/test"
    schedule = config.schedule
    assert (schedule.iterations, schedule.steps, schedule.batch) == (24000, (18000, 22000), 16)
    assert (schedule.base_lr, schedule.warmup_iterations, schedule.warmup_factor) == (0.02, 100, 0.001)
    assert (schedule.weight_decay, schedule.weight_decay_norm) == (1e-4, 0)
    assert config.input.train_short == tuple(range(480, 801, 32))
    assert (config.model.pool_size, config.model.rois_per_image) == (14, 512)


def test_coco_detection_is_the_papers_protocol():
    config = resolve("coco_detection", {})
    assert (config.runs, config.layout, config.norm) == (3, "coco", "SyncBN")
    assert config.metrics == ("box_AP", "box_AP50", "box_AP75", "mask_AP", "mask_AP50", "mask_AP75")
    assert (config.sets.train, config.sets.test) == (("coco/train2017",), "coco/val2017")
    schedule = config.schedule
    assert (schedule.iterations, schedule.steps, schedule.batch) == (90000, (60000, 80000), 16)
    assert (schedule.base_lr, schedule.warmup_iterations, schedule.precise_bn_iterations) == (0.02, 1000, 200)
    assert config.input.train_short == tuple(range(640, 801, 32))
    model, proposals = config.model, config.model.proposals
    assert (model.channels, model.rois_per_image) == (256, 512)
    assert (proposals.pre_nms_train, proposals.post_nms_train) == (2000, 1000)
    assert (proposals.pre_nms_test, proposals.post_nms_test) == (1000, 1000)
    assert proposals.anchor_sizes == (32, 64, 128, 256, 512)
    assert (model.box_head.convs, model.box_head.hidden, model.box_head.pool_size) == (4, 1024, 7)
    assert (model.mask_head.convs, model.mask_head.pool_size) == (4, 14)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"metrics": ["AP"]}, r"metrics has `AP`, and coco/val2017 is measured in box_AP, box_AP50"),
        ({"model": {"proposals": {"anchor_sizes": [32, 64]}}}, r"anchor_sizes needs 5 sizes, one for each map"),
        ({"model": {"norm": "GN"}}, r"model.norm"),
        ({"model": {"box_head": {"hiden": 3}}}, r"unknown field `model.box_head.hiden`.*`hidden`"),
        ({"model": {"kind": "retinanet"}}, r"model.kind.*faster_rcnn_c4, mask_rcnn_fpn"),
        ({"sets": {"train": ["VOC2007/trainval"], "test": "VOC2007/test"}}, r"learns masks, which are read from COCO"),
        ({"sets": {"train": ["VOC2007/trainval"]}}, r"lists of PASCAL VOC and of COCO cannot be mixed"),
    ],
)
def test_a_wrong_setting_of_a_pyramid_is_named(overrides, message):
    with pytest.raises(ConfigError, match=message):
        resolve("coco_detection", overrides)


def test_masks_are_not_measured_without_a_mask_head():
    boxes_alone = {"model": resolve("voc_detection", {}).model.model_dump()}
    with pytest.raises(ConfigError, match=r"metrics has `mask_AP`.*measured in box_AP, box_AP50, box_AP75\."):
        resolve("coco_detection", boxes_alone)
    assert resolve("coco_detection", {**boxes_alone, "metrics": ["box_AP"]}).model.kind == "faster_rcnn_c4"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"schedule": {"iteration": 3}}, r"unknown field `schedule.iteration`.*`iterations`"),
        ({"schedule": {"iterations": 100}}, r"steps \[18000, 22000\] must rise to below iterations = 100"),
        ({"sets": {"test": "VOC2008/test"}}, r"sets.test"),
        ({"model": {"backbone": "resnet51"}}, r"model.backbone"),
        ({"threads": 0}, r"threads"),
    ],
)
def test_a_wrong_setting_is_named(overrides, message):
    with pytest.raises(ConfigError, match=message):
        resolve("voc_detection", overrides)


def test_an_unknown_task_gives_the_nearest_name():
    with pytest.raises(ConfigError, match="Did you mean `voc_detection`"):
        resolve("voc_detectoin", {})


def test_only_what_decides_a_result_is_identity():
    base = identity(resolve("voc_detection", {}))
    free = {"runs": 2, "device": "cpu", "workers": 7, "checkpoint_every": 3, "tool": "torchvision", "metrics": ["AP"]}
    assert identity(resolve("voc_detection", free)) == base
    assert identity(resolve("voc_detection", {"threads": 2})) != base
    assert identity(resolve("voc_detection", {"schedule": {"base_lr": 0.03}})) != base


NEEDS = ("fvcore", "iopath", "omegaconf", "hydra", "yacs", "cloudpickle", "tqdm")


def present(monkeypatch, *packages):
    there = {"torchvision", *packages, *(NEEDS if "detectron2" in packages else ())}
    monkeypatch.setattr(tool, "find_spec", lambda name: name if name in there else None)


def test_detectron2_is_chosen_where_it_is_and_can(monkeypatch):
    present(monkeypatch, "detectron2")
    assert tool.choose(resolve("voc_detection", {})) == "detectron2"
    assert tool.choose(resolve("voc_detection", {"model": {"backbone": "resnet18"}})) == "torchvision"
    assert tool.choose(resolve("coco_detection", {"model": {"backbone": "resnet18"}})) == "detectron2"
    assert tool.choose(resolve("coco_detection", {"model": {"backbone": "resnet10_w32"}})) == "torchvision"
    assert tool.choose(resolve("voc_detection", {"tool": "torchvision"})) == "torchvision"


def test_detectron2_asked_for_in_vain_is_refused(monkeypatch):
    present(monkeypatch)
    assert tool.choose(resolve("voc_detection", {})) == "torchvision"
    with pytest.raises(ConfigError, match="PYTHONPATH"):
        tool.choose(resolve("voc_detection", {"tool": "detectron2"}))
    with pytest.raises(ConfigError, match=r"cannot run it at these settings.*`tool: torchvision`"):
        tool.choose(resolve("voc_detection", {"tool": "detectron2", "model": {"backbone": "resnet10_w32"}}))


def test_a_clone_of_detectron2_without_what_it_needs_is_refused_not_passed_over(monkeypatch):
    there = {"torchvision", "detectron2", *NEEDS} - {"hydra", "yacs"}
    monkeypatch.setattr(tool, "find_spec", lambda name: name if name in there else None)
    with pytest.raises(ConfigError, match=r"hydra-core, yacs that it needs.*pip install hydra-core yacs, or set"):
        tool.choose(resolve("voc_detection", {}))
    assert tool.choose(resolve("voc_detection", {"tool": "torchvision"})) == "torchvision"


def test_versions_come_from_metadata_or_source(monkeypatch, tmp_path):
    assert tool.version("torchvision").startswith("torchvision 0.")
    clone = tmp_path / "clone_only" / "__init__.py"
    clone.parent.mkdir()
    clone.write_text('__version__ = "0.6"\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert tool.version("clone_only") == "clone_only 0.6"
