"""The published step of a recipe, where its authors' code is at hand: never part of this repository.

The folder given by ``--official`` holds a module ``published.py`` with ``RECIPES``, the names that it has a step of,
and ``build(recipe, device, precision, batch)``, which gives an object whose ``step(views, masks)`` makes one optimiser
step as that code makes it. ``views`` are two normalised batches (B, 3, H, W), ``masks`` integers (B, S, S), 1 where the
other view sees the cell: both on the device.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from benchmarks.timing import release
from benchmarks.training import build
from ground.errors import ConfigError
from pretrain.config import PretrainConfig

PRECISION = {"cuda": "fp16", "cpu": "fp32"}
"""fp16 autocast with a scaled loss is how it ships."""


def load(folder: str | None) -> ModuleType | None:
    """The module in ``folder``.

    Raises:
        ConfigError: there is none.
    """
    if folder is None:
        return None
    path = Path(folder).resolve()
    if not (path / "published.py").is_file():
        raise ConfigError(f"--official {folder}", "holds no published.py", "benchmarks/published.py says what it is.")
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))
    return importlib.import_module("published")


def step(module: ModuleType, config: PretrainConfig, device: torch.device) -> Callable[[], object]:
    """The published step on the views that ours sees."""
    plain, masks = _inputs(config, device)
    release(device)  # our trainer, which refers to itself, would lie in what the published step takes at most
    theirs = module.build(config.recipe, device, PRECISION[device.type], config.train.batch)

    def work() -> object:
        return theirs.step(plain, masks)

    # As its configuration has it: cuDNN looks for the fastest convolutions, and nothing asks for the same bits.
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = True
    return work


def _inputs(config: PretrainConfig, device: torch.device) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    training = build(config, device)
    views, geometry = training.trainer.to_device(training.batch)
    masks = tuple(mask.long() for mask in geometry.masks)
    return tuple(view.float().contiguous() for view in views[:2]), masks
