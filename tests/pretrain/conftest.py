"""A recipe small enough for a test, and images to train it on."""

import numpy as np
import pytest
import torch
from PIL import Image

from ground.config import merge
from pretrain import recipes

torch.set_num_threads(1)

TINY = {
    "views": {"size": 64, "first": {"blur_kernel": 5}, "second": {"blur_kernel": 5}},
    "model": {"backbone": "resnet10_w32"},
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
        branches = {}
        for key, branch in recipes.resolve(name, {}).model.branches.items():
            small = {"projector": {"hidden": 16, "out": 8}}
            if branch.predictor:
                small["predictor"] = {"hidden": 16, "out": 8}
            if hasattr(branch, "queue"):
                small["queue"] = 32
            branches[key] = small
        settings = merge(TINY, {"model": {"branches": branches, "norm": {"group": 4}}})
        for key in settings["model"]["branches"]:
            settings["model"]["branches"][key] |= (overrides or {}).get("model", {}).get("branches", {}).get("*", {})
        return recipes.resolve(name, merge(settings, overrides or {}))

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
