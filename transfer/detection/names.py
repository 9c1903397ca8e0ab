"""A backbone's tensors by the names detectron2 has for them."""

from __future__ import annotations

import re


def renamed(name: str) -> str:
    """A tensor's name in detectron2's C4 detector for its name in torchvision's ResNet.

    ``layer4`` is the region head's; PixCon's ``convert-pretrain-to-detectron2.py`` says the rest.
    """
    name = re.sub(r"\bbn(\d)\b", r"conv\1.norm", name)
    name = name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
    stage = re.match(r"layer(\d)\.", name)
    if stage is None:
        return f"backbone.stem.{name}"
    owner = "roi_heads." if stage[1] == "4" else "backbone."
    return f"{owner}res{int(stage[1]) + 1}.{name[stage.end() :]}"
