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


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"schedule": {"iteration": 3}}, r"unknown field `schedule.iteration`.*`iterations`"),
        ({"schedule": {"iterations": 100}}, r"steps \[18000, 22000\] must rise and stay below iterations = 100"),
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


def test_detectron2_asked_for_in_vain(monkeypatch):
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
