"""Boxes (x, y, w, h) in pixels of an image: how much they overlap, and a box near a given one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretrain.view_config import ObjectPairViews

Box = tuple[int, int, int, int]


def as_box(row: NDArray[Any]) -> Box:
    """A row (x, y, w, h) as plain numbers."""
    x, y, w, h = row.tolist()
    return x, y, w, h


def ious(boxes: NDArray[Any], box: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of every one of ``boxes`` (N, 4) with ``box`` (4,): (N,)."""
    boxes, box = boxes.astype(np.float64), box.astype(np.float64)
    begin = np.maximum(boxes[:, :2], box[:2])
    end = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    common = np.maximum(end - begin, 0).prod(1)
    shares: NDArray[np.float64] = common / (boxes[:, 2] * boxes[:, 3] + box[2] * box[3] - common)
    return shares


def jittered(rng: np.random.Generator, box: Box, size: tuple[int, int], settings: ObjectPairViews) -> Box:
    """A box of other area, aspect and place that lies in the image and overlaps ``box`` by more than ``min_iou``.

    The aspect is drawn anew and is not relative to the box's own. ``box`` itself if ``tries`` draws give none
    (Jiahao000/ORL openselfsup/datasets/orl.py ``aug_bbox``).
    """
    x, y, w, h = box
    low, high = (math.log(limit) for limit in settings.aspect)
    for _ in range(settings.tries):
        area = rng.uniform(*settings.area) * (w * h)
        aspect = math.exp(rng.uniform(low, high))
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        middle_x = x + 0.5 * w + rng.uniform(-settings.shift, settings.shift) * w
        middle_y = y + 0.5 * h + rng.uniform(-settings.shift, settings.shift) * h
        moved = (round(middle_x - 0.5 * wide), round(middle_y - 0.5 * tall), wide, tall)
        inside = moved[0] >= 0 and moved[1] >= 0 and moved[0] + wide <= size[0] and moved[1] + tall <= size[1]
        if inside and ious(np.array([moved]), np.array(box))[0] > settings.min_iou:
            return moved
    return box
