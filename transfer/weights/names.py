"""A ResNet's tensors by torchvision's names, detectron2's and Caffe2's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Naming = Literal["torchvision", "detectron2", "caffe2"]

ANCHORS: dict[Naming, str] = {
    "torchvision": "layer1.0.conv1.weight",
    "detectron2": "res2.0.conv1.weight",
    "caffe2": "res2_0_branch2a_w",
}
"""A tensor that every ResNet has, by which a naming and what stands before it are found."""


def resnets(names: Iterable[str]) -> dict[str, Naming]:
    """Every prefix below which a ResNet lies among tensors' names, and how its tensors are called there."""
    ends: list[tuple[Naming, str]] = list(ANCHORS.items())
    return {
        name.removesuffix(anchor): naming
        for name in names
        for naming, anchor in ends
        if name == anchor or name.endswith(f".{anchor}")
    }


def to_detectron2(name: str) -> str:
    """Torchvision's name in detectron2's words.

    The rules of PixCon's ``convert-pretrain-to-detectron2.py``, which are MoCo's, SlotCon's and PixPro's, too.
    """
    name = re.sub(r"\bbn(\d)\b", r"conv\1.norm", name)
    name = name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
    stage = re.match(r"layer(\d)\.", name)
    return f"res{int(stage[1]) + 1}.{name[stage.end() :]}" if stage else f"stem.{name}"


def from_detectron2(name: str) -> str:
    """Torchvision's name for detectron2's; whatever it has no name for keeps its own."""
    stage = re.match(r"res([2-5])\.", name)
    if stage:
        name = f"layer{int(stage[1]) - 1}.{name[stage.end() :]}"
    elif name.startswith("stem."):
        name = name.removeprefix("stem.")
    else:
        return name
    name = name.replace("shortcut.norm", "downsample.1").replace("shortcut", "downsample.0")
    return re.sub(r"\bconv(\d)\.norm\b", r"bn\1", name)


def to_torchvision(name: str, naming: Naming) -> str:
    """A tensor's name below its prefix in torchvision's words. Caffe2's are only recognised, never taken."""
    return from_detectron2(name) if naming == "detectron2" else name
