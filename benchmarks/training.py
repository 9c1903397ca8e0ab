"""A recipe's training step as ``pretrain.run`` makes it, on pictures of noise."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.base import Options
from ground.config import merge
from harness import profiles
from pretrain import device as devices
from pretrain import recipes
from pretrain.branches.base import Geometry
from pretrain.config import PretrainConfig
from pretrain.model.student_teacher import StudentTeacher
from pretrain.training.loop import Trainer
from pretrain.view_config import Views
from pretrain.views.dataset import Batch, ViewsDataset
from pretrain.views.geometry import Crop, draw_pair
from pretrain.views.layout import Cut, Layout, Shown
from pretrain.views.pictures import Files
from pretrain.views.registry import build_layout

STEPS_PER_EPOCH, EPOCHS = 231, 800
"""Of COCO's 118,287 images at a batch of 512: a step amid a training, where rates are what they are there."""
DISTINCT = 64
"""Samples that are really cut; larger batches repeat them."""
_CUT: dict[tuple[str, int], Batch] = {}
"""Samples by the views' settings and how many: a step is built many times."""
TOY = {
    "views": {"size": 64, "first": {"blur_kernel": 5}, "second": {"blur_kernel": 5}},
    "model": {
        "backbone": "resnet10_w32",
        "norm": {"group": 4},
        "branches": {"*": {"projector": {"hidden": 16, "out": 8}, "predictor": {"hidden": 16, "out": 8}, "queue": 64}},
    },
}


class Blank(Layout):
    """Views of a recipe's sizes where regions would have to be found first: patches anywhere in the image."""

    def __init__(self, views: Views) -> None:
        super().__init__(views, {})
        sizes = views.extra.sizes if views.extra else []
        self.shown += tuple(Shown(size, views.first) for size in sizes)

    def cut(self, rng: np.random.Generator, index: int, size: tuple[int, int]) -> list[Cut]:
        """See ``Layout.cut``."""
        corners = rng.integers(0, 64, (len(self.shown) - 2, 2)).tolist()
        return [Cut(crop) for crop in draw_pair(rng, *size, self.views)] + [Cut(Crop(x, y, 96, 96)) for x, y in corners]


@dataclass(frozen=True)
class Held:
    """A batch that lies on the device, in the place of ``Trainer.to_device``."""

    views: tuple[Tensor, ...]
    geometry: Geometry

    def __call__(self, batch: Batch) -> tuple[tuple[Tensor, ...], Geometry]:
        """What lies there."""
        return self.views, self.geometry


@dataclass
class Training:
    """A trainer and a batch of its size on the host, as the loader hands it over."""

    config: PretrainConfig
    trainer: Trainer
    batch: Batch
    count: int = 0

    def step(self) -> None:
        """One optimiser step, photometric work included."""
        self.count += 1
        self.trainer.step(self.batch, self.count, STEPS_PER_EPOCH * EPOCHS, STEPS_PER_EPOCH)

    def ready(self) -> tuple[tuple[Tensor, ...], Geometry]:
        """Put the batch on the device for good, so that ``step`` is the network's work alone; views and geometry."""
        views, geometry = self.trainer.to_device(self.batch)
        self.trainer.to_device = Held(views, geometry)  # type: ignore[method-assign]
        return views, geometry


def trained() -> list[str]:
    """The recipes that train."""
    return [name for name in recipes.names() if not recipes.resolve(name, {}).initial]


def settings(options: Options, recipe: str, batch: int, device: torch.device) -> PretrainConfig:
    """A recipe at the scale asked for; unless ``--set`` says otherwise in bf16 on a GPU, in single precision else."""
    precision = "fp32" if device.type == "cpu" else "bf16"
    usual = (f"pretrain.train.precision={precision}", f"pretrain.train.threads={torch.get_num_threads()}")
    profile = profiles.load(options.profile, (*usual, *options.overrides))
    asked = merge(profile.pretrain, profile.recipes.get(recipe, {}))
    asked = merge(asked, TOY if options.size == "toy" else {})
    small = {"model": {"norm": {"group": batch}}} if batch < recipes.resolve(recipe, {}).model.norm.group else {}
    return recipes.resolve(recipe, merge(asked, {"train": {"batch": batch, "workers": 0}, **small}))


def build(config: PretrainConfig, device: torch.device) -> Training:
    """The recipe's trainer with fresh weights, and a batch for it."""
    # As `pretrain.run` has it: a training is measured with what makes it reproducible.
    devices.be_reproducible(device)
    torch.backends.cudnn.benchmark = False
    torch.manual_seed(0)
    layout = Blank(config.views) if config.inputs else build_layout(config.views, {})
    trainer = Trainer(config, StudentTeacher(config.model), layout, device, 0)
    return Training(config, trainer, _batch(trainer, config.train.batch))


def _batch(trainer: Trainer, size: int) -> Batch:
    """``size`` samples as the loader makes them, the first ``DISTINCT`` of them distinct."""
    views = trainer.config.views.model_dump_json()
    if (views, min(size, DISTINCT)) not in _CUT:
        _CUT[views, min(size, DISTINCT)] = _cut(trainer, min(size, DISTINCT))
    batch = _repeated(_CUT[views, min(size, DISTINCT)], -(-size // DISTINCT)).part(slice(size))
    return batch.pin_memory() if trainer.device.type == "cuda" else batch


def _cut(trainer: Trainer, size: int) -> Batch:
    with tempfile.TemporaryDirectory() as folder:
        pictures = []
        for number in range(8):
            path = Path(folder) / f"{number}.jpg"
            noise = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((320, 240)).save(path)
            pictures.append(path)
        grid = -(-trainer.config.views.size // 32)
        batch = ViewsDataset(Files(pictures), trainer.layout, grid, 0)[[(0, index % 8) for index in range(size)]]
    if isinstance(batch, Exception):
        raise batch
    return batch


def _repeated(batch: Batch, times: int) -> Batch:
    """The samples again and again."""
    fields: dict[str, Any] = {}
    for each in dataclasses.fields(batch):
        value = getattr(batch, each.name)
        fields[each.name] = value * times if isinstance(value, list) else tuple(torch.cat([v] * times) for v in value)
    return dataclasses.replace(batch, **fields)
