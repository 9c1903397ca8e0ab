"""The three tasks at a size that trains and tests on the small scenes in seconds."""

import pytest

from transfer.tasks import resolve

SMALL = {
    "model": {"backbone": "resnet10_w32", "head": {"channels": 8}},
    "input": {"scale": [128, 64], "crop": 48},
    "schedule": {"iterations": 6, "batch": 2, "base_lr": 0.01, "decay": {"steps": [5]}},
    "test": {"scale": [128, 64]},
    "threads": 1,
    "workers": 0,
    "checkpoint_every": 2,
}
TASKS = ("cityscapes", "voc_segmentation", "ade20k")


def small(name):
    """A task's own protocol on small pictures and networks."""
    settings = {**SMALL, "model": dict(SMALL["model"]), "schedule": dict(SMALL["schedule"])}
    if name == "cityscapes":
        settings["test"] = {"scale": [128, 64], "window": {"size": 48, "stride": 32}}
    if name == "ade20k":
        settings["schedule"].pop("decay")
        settings["model"]["auxiliary"] = {"channels": 8}
    return resolve(name, settings)


@pytest.fixture(params=TASKS)
def task(request):
    return small(request.param)


@pytest.fixture
def voc():
    return small("voc_segmentation")


@pytest.fixture
def scope():
    """mmsegmentation's names, as a run has them."""
    from transfer.segmentation import fine_tune  # noqa: F401  # makes mmsegmentation importable
    from transfer.segmentation.isolation import isolated

    with isolated():
        from mmengine.registry import DefaultScope

        DefaultScope.get_instance("test", scope_name="mmseg")
        yield
