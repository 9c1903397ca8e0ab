"""Where a backbone's tensors are in detectron2's detectors."""

from __future__ import annotations

from typing import Literal

from transfer.weights.names import to_detectron2


def renamed(name: str, kind: Literal["faster_rcnn_c4", "mask_rcnn_fpn"]) -> str:
    """A tensor's name in detectron2's detector for its name in torchvision's ResNet.

    In a C4 detector stage 4 is the region head's; below a pyramid all stages are the backbone's.
    """
    inner = to_detectron2(name)
    if kind == "mask_rcnn_fpn":
        return f"backbone.bottom_up.{inner}"
    return f"{'roi_heads' if inner.startswith('res5.') else 'backbone'}.{inner}"
