"""A recipe small enough for a test, and images to train it on."""

import importlib

import numpy as np
import pytest
import torch
from PIL import Image

from ground.config import merge
from pretrain import recipes

torch.set_num_threads(1)

HEADS = {name: {"hidden": 16, "out": 8} for name in ("projector", "predictor")}
TINY = {
    "views": {"size": 64, "first": {"blur_kernel": 5}, "second": {"blur_kernel": 5}},
    "model": {
        "backbone": "resnet10_w32", "norm": {"group": 4},
        "branches": {"*": {**HEADS, "queue": 32, "prototypes": 8}},
    },
    "optim": {"lr": 0.05, "warmup_epochs": 1},
    "train": {
        "epochs": 2, "batch": 8, "precision": "fp32", "threads": 1, "workers": 0, "log_every": 2,
        "channels_last": False, "device": "cpu",
    },
}  # fmt: skip


@pytest.fixture
def tiny():
    """``tiny(recipe, overrides)``: the recipe at test size."""

    def resolve(name, overrides=None):
        return recipes.resolve(name, merge(TINY, overrides or {}))

    return resolve


@pytest.fixture
def photos(tmp_path):
    """A folder of 20 noisy pictures of various sizes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((60 + number, 80 - number)).save(folder / f"{number:02d}.jpg")
    return folder


@pytest.fixture(scope="session")
def official():
    """The module ``official.py``: what the official classes were run on."""
    return importlib.import_module("official")


@pytest.fixture(scope="session")
def valueless():
    """The module ``valueless.py``: a device without values in the place of a GPU."""
    return importlib.import_module("valueless")
