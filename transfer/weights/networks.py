"""Which of our networks a set of tensors is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from ground import backbones
from ground.errors import WeightsError
from ground.networks import BackboneName

_OTHERS: dict[tuple[str, tuple[int, ...]], str] = {
    ("bottleneck", (3, 4, 23, 3)): "ResNet-101",
    ("bottleneck", (3, 8, 36, 3)): "ResNet-152",
    ("bottleneck", (2, 2, 2, 2)): "ResNet-26",
    ("basic", (3, 4, 6, 3)): "ResNet-34",
}
_OURS = "The tasks build resnet50, resnet18 and resnet10_w32: name weights of one of these."


@cache
def shapes(name: BackboneName) -> dict[str, torch.Size]:
    """Shapes of a network's tensors, batch-norm counters left out."""
    with torch.device("meta"):
        state = backbones.build(name).state_dict()
    return {each: tensor.shape for each, tensor in state.items() if not each.endswith("num_batches_tracked")}


def network_of(path: Path, tensors: Mapping[str, Tensor]) -> BackboneName:
    """The network whose blocks and widths ``tensors``, by torchvision's names, have.

    Raises:
        WeightsError: it is none of ours; the message says what it is.
    """
    stem = tensors.get("conv1.weight")
    deep = sorted(name for name in tensors if re.match(r"(stem\.\d|conv1\.\d|conv1_\d|stem\.conv1_\d)", name))
    if deep or (stem is not None and stem.ndim == 4 and stem.shape[-1] == 3):
        size = f"`{deep[0]}`" if deep else "a 3x3 `conv1`"
        problem = f"has a deep or small stem ({size}; ResNet-C, -D and CIFAR variants) where the tasks have one 7x7"
        raise WeightsError(path, problem, "Name weights of the plain network.")
    form = _form(tensors)
    for name in get_args(BackboneName):
        ours = _form(shapes(name))
        if form[:2] == ours[:2] and all(size in (0, of) for size, of in zip(form[2:], ours[2:], strict=True)):
            return name  # type: ignore[no-any-return]
    kind, blocks, width, inner = form
    title = _OTHERS.get((kind, blocks), "a ResNet") if width == inner == 64 else "a ResNet (wide, narrow or ResNeXt)"
    problem = f"is {title}: {list(blocks)} {kind} blocks, {width} channels in `conv1`, {inner} in the first 3x3"
    raise WeightsError(path, problem, _OURS)


def _form(tensors: Mapping[str, Tensor] | Mapping[str, torch.Size]) -> tuple[str, tuple[int, ...], int, int]:
    """Kind of blocks, their numbers by stage, channels of the stem and into the first block's 3×3 convolution."""
    kind = "bottleneck" if "layer1.0.conv3.weight" in tensors else "basic"
    stages = [{name.split(".")[1] for name in tensors if name.startswith(f"layer{stage}.")} for stage in (1, 2, 3, 4)]
    inner = "layer1.0.conv2.weight"
    return kind, tuple(map(len, stages)), _size(tensors.get("conv1.weight"), 0), _size(tensors.get(inner), 1)


def _size(tensor: Tensor | torch.Size | None, axis: int) -> int:
    """Zero where there is no such tensor or axis; that it is missing, the gate says."""
    shape = tensor.shape if isinstance(tensor, Tensor) else tensor
    return 0 if shape is None or len(shape) <= axis else shape[axis]
