"""A finished pre-training's student, to compare images and regions with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ground import backbones
from ground.errors import WeightsError
from pretrain.branch_config import Head
from pretrain.branches.image import pool
from pretrain.model.heads import perceptron
from pretrain.model.student_teacher import FeatureMap
from pretrain.training.export import NETWORK
from pretrain.views.photometric import normalised


@dataclass(frozen=True)
class Network:
    """Backbone and projector in evaluation mode; both functions take uint8 images (B, 3, H, W) on the CPU and give
    unit vectors."""

    backbone: nn.Module
    projector: nn.Module
    device: torch.device

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Pooled features of the backbone: (B, C)."""
        return F.normalize(self._pooled(images), dim=1)

    @torch.no_grad()
    def projections(self, images: Tensor) -> Tensor:
        """What the projector makes of them: (B, D)."""
        return F.normalize(self.projector(self._pooled(images)), dim=1)

    def _pooled(self, images: Tensor) -> Tensor:
        shown = normalised(images.to(self.device).float().div_(255))
        return pool(self.backbone(shown.contiguous(memory_format=torch.channels_last)))


def load(folder: Path, branch: str, device: torch.device) -> Network:
    """The network that a pre-training left in its run directory, with the projector of one branch.

    Raises:
        WeightsError: the file is gone or broken, or the recipe has no such branch.
    """
    path = folder / NETWORK
    try:
        with safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError) as error:
        remedy = "Run again with --rerun force for its recipe."
        raise WeightsError(path, f"is gone or broken ({error})", remedy) from None
    heads = json.loads(metadata["projectors"])
    if branch not in heads:
        problem = f"has a projector of {', '.join(sorted(heads))} and none of `{branch}`"
        raise WeightsError(path, problem, "Name one of these as the input's `branch`.")
    backbone = backbones.build(metadata["backbone"])
    projector = perceptron(backbones.channels(metadata["backbone"])[1], Head.model_validate(heads[branch]))
    for module, prefix in ((backbone, "backbone."), (projector, f"projectors.{branch}.")):
        below = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        module.load_state_dict(below)
    maps = FeatureMap(backbone).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Network(maps.eval(), projector.to(device).eval(), device)


class InBatches:
    """A function of batches, given rows as they come and called with ``size`` of them at a time."""

    def __init__(self, function: Callable[[Tensor], Tensor], size: int) -> None:
        self.function, self.size = function, size
        self._waiting: list[Tensor] = []
        self._done: list[Tensor] = []

    def add(self, rows: Tensor) -> None:
        """Take some rows."""
        self._waiting.append(rows)
        while sum(map(len, self._waiting)) >= self.size:
            rows = torch.cat(self._waiting)
            self._done.append(self.function(rows[: self.size]).cpu())
            self._waiting = [rows[self.size :]]

    def finish(self) -> Tensor:
        """The results of all rows since the last time, in order."""
        rest = torch.cat(self._waiting)
        done = [*self._done, self.function(rest).cpu()] if len(rest) else self._done
        self._waiting, self._done = [], []
        return torch.cat(done)
