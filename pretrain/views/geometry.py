"""Where two views lie in an image, and which cells of their feature grids see the other view.

Follows the released PixCon loader (pangzss/PixCon mmselfsup/datasets/coco_coord.py, methods.md 1.2-1.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pretrain.view_config import Views
from pretrain.views.boxes import Box

TRIES = 10


@dataclass(frozen=True)
class Crop:
    """A rectangle of pixels, ``[x, x + w) × [y, y + h)``, and whether the view is mirrored after cutting."""

    x: int
    y: int
    w: int
    h: int
    flip: bool = False

    def overlap(self, other: Crop) -> int:
        """Pixels common to both."""
        width = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        height = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        return max(width, 0) * max(height, 0)

    @property
    def box(self) -> Box:
        """(x, y, w, h)."""
        return self.x, self.y, self.w, self.h

    def within(self, other: Crop) -> Crop:
        """The same pixels, counted from the corner of ``other``."""
        return replace(self, x=self.x - other.x, y=self.y - other.y)


def covering(crops: Sequence[Crop]) -> Crop:
    """The smallest rectangle that covers all of them, not mirrored."""
    x, y = min(crop.x for crop in crops), min(crop.y for crop in crops)
    right, bottom = max(crop.x + crop.w for crop in crops), max(crop.y + crop.h for crop in crops)
    return Crop(x, y, right - x, bottom - y)


def central_crop(width: int, height: int, ratio: tuple[float, float]) -> Crop:
    """The largest central crop whose aspect lies within ``ratio`` (torchvision's and albumentations' fallback)."""
    aspect = width / height
    if aspect < ratio[0]:
        w, h = width, round(width / ratio[0])
    elif aspect > ratio[1]:
        w, h = round(height * ratio[1]), height
    else:
        w, h = width, height
    return Crop((width - w) // 2, (height - h) // 2, w, h)


def _draw(rng: np.random.Generator, width: int, height: int, views: Views, first: Crop | None) -> Crop | None:
    """A crop of random area and log-uniform aspect; with ``first``, one that overlaps it enough.

    None after ten tries.
    """
    low, high = math.log(views.ratio[0]), math.log(views.ratio[1])
    for _ in range(TRIES):
        area = width * height * rng.uniform(*views.scale)
        aspect = math.exp(rng.uniform(low, high))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if not (0 < w <= width and 0 < h <= height):
            continue
        crop = Crop(int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1)), w, h)
        # The official test compares with the area asked for, before it is rounded to pixels.
        if first is None or crop.overlap(first) >= views.min_overlap * area:
            return crop
    return None


def draw_pair(rng: np.random.Generator, width: int, height: int, views: Views) -> tuple[Crop, Crop]:
    """Two crops of an image of ``width`` × ``height`` pixels, each mirrored with probability ``views.flip``.

    Crop 2 shares at least ``views.min_overlap`` of its area with crop 1. Where ten tries find none, the fallback
    ``central`` makes both views the central crop, as released; unlike the release, whose masks then divide by the
    discarded crop's size, the masks are those of the crop really used.
    """
    central = central_crop(width, height, views.ratio)
    first = _draw(rng, width, height, views, None) or central
    second = _draw(rng, width, height, views, first if views.min_overlap > 0 else None)
    if second is None and views.min_overlap > 0 and views.fallback == "unconditioned":
        second = _draw(rng, width, height, views, None)
    if second is None:
        first = central if views.min_overlap > 0 and views.fallback == "central" else first
        second = central
    flips = rng.random(2) < views.flip
    return replace(first, flip=bool(flips[0])), replace(second, flip=bool(flips[1]))


def overlap(crop: Crop, other: Crop) -> NDArray[np.float32]:
    """The part of ``crop`` that ``other`` sees: (x1, y1, x2, y2) in [0, 1] of the view before it is mirrored.

    Zeros where they do not meet. Single precision, as released: on a cell's edge the rounding decides.
    """
    if not crop.overlap(other):
        return np.zeros(4, dtype=np.float32)
    x1 = (max(crop.x, other.x) - crop.x) / crop.w
    x2 = (min(crop.x + crop.w, other.x + other.w) - crop.x) / crop.w
    y1 = (max(crop.y, other.y) - crop.y) / crop.h
    y2 = (min(crop.y + crop.h, other.y + other.h) - crop.y) / crop.h
    return np.array([x1, y1, x2, y2], dtype=np.float32)


def intersection(crop: Crop, other: Crop) -> NDArray[np.float32]:
    """``overlap`` in the view as shown, mirrored or not."""
    box = overlap(crop, other)
    if crop.flip and box.any():
        box[[0, 2]] = np.float32(1) - box[[2, 0]]
    return box


def in_box_mask(box: NDArray[np.float32], grid: int) -> NDArray[np.bool_]:
    """Cells of a ``grid`` × ``grid`` feature map that lie in ``box`` (as ``intersection`` gives it): (grid, grid).

    Edges are truncated to whole cells as released: a partly covered first cell counts, a partly covered last one does
    not, so a half-covered view of 7 × 7 cells has 28 and its mirror image 21.
    """
    x1, y1, x2, y2 = (box * np.float32(grid)).astype(np.int64).tolist()
    mask = np.zeros((grid, grid), dtype=np.bool_)
    mask[y1:y2, x1:x2] = True
    return mask


def signed_box(crop: Crop) -> NDArray[np.float32]:
    """(x1, y1, x2, y2) in image pixels with x1 > x2 for a mirrored view: its columns run right to left (PixPro)."""
    x1, x2 = crop.x, crop.x + crop.w
    if crop.flip:
        x1, x2 = x2, x1
    return np.array([x1, crop.y, x2, crop.y + crop.h], dtype=np.float32)
