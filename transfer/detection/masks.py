"""Masks between polygons, grids of a network and run lengths, as detectron2 cuts and pastes them.

Sources: detectron2 ``structures/masks.py`` (``rasterize_polygons_within_box``), ``layers/mask_ops.py``
(``paste_masks_in_image``) and ``evaluation/coco_evaluation.py``. pycocotools fills the polygons and packs the masks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from pycocotools import mask as official
from torch import Tensor
from torch.nn import functional as F

from transfer.detection.detector import Polygons
from transfer.evaluators.detections import RunLengths

LEAST = 0.1
"""Sides of boxes are no less than this, in pixels, when they are divided by."""
THRESHOLD = 0.5


def cropped(outlines: Sequence[Polygons], boxes: Tensor, size: int) -> Tensor:
    """Masks (n, size, size) bool: what of each object lies in its box (n, 4), the box stretched to the grid.

    ``outlines`` and ``boxes`` are of n objects, in pixels of one image; on the CPU whatever ``boxes`` are on.
    """
    masks = np.zeros((len(outlines), size, size), dtype=bool)
    for mask, polygons, box in zip(masks, outlines, boxes.cpu().numpy(), strict=True):
        shift, sides = box[[0, 1]], np.maximum(box[2:] - box[:2], LEAST)
        rings = [((ring.reshape(-1, 2) - shift) * (size / sides)).reshape(-1) for ring in polygons]
        mask[:] = official.decode(official.merge(official.frPyObjects(rings, size, size)))
    return torch.from_numpy(masks)


def pasted(masks: Tensor, boxes: Tensor, height: int, width: int) -> list[RunLengths]:
    """Masks (n, M, M) of probabilities over their boxes (n, 4), in an image: where they reach one half.

    Read at the pixels' centres by bilinear interpolation, 0 beyond the grid. One at a time and only around its box.
    """
    found = []
    for mask, box in zip(masks, boxes, strict=True):
        left, top = (int(side) for side in (box[:2].floor() - 1).clamp(min=0))
        right, bottom = int(min(box[2].ceil() + 1, width)), int(min(box[3].ceil() + 1, height))
        x = (torch.arange(left, right) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
        y = (torch.arange(top, bottom) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=2)[None]
        window = F.grid_sample(mask[None, None], grid, align_corners=False)[0, 0] >= THRESHOLD
        whole = np.zeros((height, width), dtype=np.uint8, order="F")
        whole[top:bottom, left:right] = window.numpy()
        packed = official.encode(whole)
        found.append(RunLengths(size=[height, width], counts=packed["counts"].decode()))
    return found
