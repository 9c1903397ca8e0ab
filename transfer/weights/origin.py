"""What a file lets us know of how its network was trained; tensors alone do not say it.

The tasks build ResNets with strides in the 3×3 convolutions and feed them RGB images, normalised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ground.errors import WeightsError
from transfer.weights.contents import Contents

_CAFFE_STRIDE = re.compile(r"""style['"]?\s*[=:]\s*['"]caffe['"]""")
_BGR = re.compile(r"""(\bto_rgb|bgr_to_rgb)['"]?\s*[=:]\s*False""", re.IGNORECASE)
_LARGEST_INPUT = (1 - 0.406) / 0.225
"""The largest absolute value of an image in [0, 1] less ImageNet's mean over its standard deviation."""


def check(path: Path, contents: Contents) -> None:
    """Refuse a network that has our tensors and is another one by its own record.

    Raises:
        WeightsError: the config that OpenMMLab's tools store names Caffe's strides, or the file is the one that our
            pre-trainings leave to compare images with: a student, also where the teacher is handed over.
    """
    if {"backbone", "projectors"} <= contents.header.keys():
        problem = "is a pre-training's network to compare images with, not what its recipe hands over"
        raise WeightsError(path, problem, "Name the backbone.safetensors beside it.")
    if _CAFFE_STRIDE.search(_config(contents)):
        problem = (
            "strides in its 1x1 convolutions (`style='caffe'` in its config) where the tasks have it in the 3x3 ones"
        )
        raise WeightsError(path, problem, "Name weights of a network with style='pytorch'.")


def notes(contents: Contents, tensors: Mapping[str, Tensor], detector: bool) -> list[str]:
    """What speaks for other images or strides than the tasks'; ``detector`` if detectron2 trained the network."""
    found = []
    if detector:
        found.append(
            "detectron2's networks stride in the 1x1 convolutions unless STRIDE_IN_1X1 was False; no tensor tells"
        )
    author = contents.tree.get("__author__")
    if isinstance(author, str) and author.lower() == "caffe2":
        found.append("its author is Caffe2, whose networks expect BGR images: see --bgr")
    if _BGR.search(_config(contents)):
        found.append("its config leaves images in BGR: see --bgr")
    if unnormalised_inputs(tensors):
        found.append("trained on a larger range than normalised images have, 0 to 255 as it seems; the tasks normalise")
    return found


def unnormalised_inputs(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the first layer's statistics prove inputs beyond what normalised images can hold.

    A channel's output is at most Σ|w| times the largest input, so its mean and standard deviation are, too.
    """
    if not {"conv1.weight", "bn1.running_mean", "bn1.running_var"} <= tensors.keys():
        return False
    if tensors["conv1.weight"].ndim != 4:
        return False
    bound = tensors["conv1.weight"].double().abs().flatten(1).sum(1) * _LARGEST_INPUT
    mean, var = tensors["bn1.running_mean"].double().abs(), tensors["bn1.running_var"].double()
    if not bound.shape == mean.shape == var.shape:
        return False
    return bool(torch.any((mean > 1.01 * bound) | (var > (1.01 * bound) ** 2)))


def _config(contents: Contents) -> str:
    """The config that OpenMMLab's checkpoints hold as text: mmcv's name of it, or mmengine's."""
    meta = contents.tree.get("meta")
    words = (meta.get(key) for key in ("config", "cfg")) if isinstance(meta, Mapping) else ()
    return "\n".join(each for each in words if isinstance(each, str))
