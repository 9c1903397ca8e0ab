"""UniVIP's views: two scenes that hold the same things, and those things (methods.md 11)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretrain.inputs import BoxFilter
from pretrain.prepare import selective_search
from pretrain.prepare.selection import distinct
from pretrain.view_config import PROPOSALS, InstanceViews, Views
from pretrain.views.boxes import Box, as_box, ious
from pretrain.views.geometry import Crop, draw_pair
from pretrain.views.layout import Cut, Layout, Shown


class InstancesLayout(Layout):
    """Two crops and, as views 2, 3, …, regions that both show, with the first crop's colours, mirrored like crops.

    Crops are drawn until they share ``count`` regions, at most ``tries`` times; otherwise the draw that shares most
    stays, and random boxes make up the number.
    """

    def __init__(self, views: Views, extra: InstanceViews, inputs: dict[str, Path]) -> None:
        super().__init__(views, inputs)
        self.extra = extra
        self.shown += extra.count * (Shown(extra.size, views.first),)
        self.boxes = selective_search.load(self.input(PROPOSALS, "the regions to cut instances from"))
        self.images = len(self.boxes)

    def cut(self, rng: np.random.Generator, index: int, size: tuple[int, int]) -> list[Cut]:
        """See ``Layout.cut``."""
        found = distinct(self.boxes[index], self.extra.boxes)
        pair, chosen = draw_scenes(rng, size, self.views, self.extra, found)
        flips = rng.random(len(chosen)) < self.views.flip
        instances = [Crop(*box, flip=bool(flip)) for box, flip in zip(chosen, flips, strict=True)]
        return [Cut(crop) for crop in (*pair, *instances)]


def draw_scenes(
    rng: np.random.Generator, size: tuple[int, int], views: Views, extra: InstanceViews, found: NDArray[Any]
) -> tuple[tuple[Crop, Crop], list[Box]]:
    """Two crops and ``count`` boxes (x, y, w, h) in their intersection: the first of ``found`` (N, 4) that lie there.

    A draw whose intersection has a side under ``min_side`` is worse than any other; of equals the first stays.
    """
    best: tuple[int, tuple[Crop, Crop], Box, NDArray[Any]] | None = None
    for _ in range(extra.tries):
        pair = draw_pair(rng, *size, views)
        area = shared(*pair)
        inside = found[within(found, area)]
        rank = min(len(inside), extra.count) if min(area[2:]) >= extra.boxes.min_side else -1
        if best is None or rank > best[0]:
            best = rank, pair, area, inside
        if rank == extra.count:
            break
    assert best is not None  # tries is at least 1
    _, pair, area, inside = best
    boxes: list[Box] = [as_box(row) for row in inside[: extra.count]]
    while len(boxes) < extra.count:
        boxes.append(random_box(rng, area, boxes, extra.boxes, extra.box_tries))
    return pair, boxes


def shared(first: Crop, second: Crop) -> Box:
    """The intersection of two crops that meet."""
    x, y = max(first.x, second.x), max(first.y, second.y)
    right, bottom = min(first.x + first.w, second.x + second.w), min(first.y + first.h, second.y + second.h)
    return x, y, right - x, bottom - y


def within(boxes: NDArray[Any], area: Box) -> NDArray[np.bool_]:
    """Which of ``boxes`` (N, 4) lie wholly in ``area``: (N,)."""
    start, end = boxes[:, :2].astype(np.int64), boxes[:, :2].astype(np.int64) + boxes[:, 2:]
    inside: NDArray[np.bool_] = (start >= area[:2]).all(1) & (end <= np.add(area[:2], area[2:])).all(1)
    return inside


def random_box(rng: np.random.Generator, area: Box, taken: list[Box], rule: BoxFilter, tries: int) -> Box:
    """A box in ``area`` of random size, aspect and place that obeys ``rule``.

    Sides start at ``min_side``, or at the area's where that is less. Of ``tries`` boxes the first that overlaps none of
    ``taken`` by more than ``max_iou``; if all do, the one that does so least (as utkutpcgl/UniVIP
    train/naive_box_generation.py, whose boxes may be longer than ``max_aspect`` in a narrow area).
    """
    x, y, width, height = area
    least = min(rule.min_side, width, height)
    best: tuple[float, Box] | None = None
    for _ in range(tries):
        w = int(rng.integers(least, min(width, int(height * rule.max_aspect)) + 1))
        lowest, highest = math.ceil(w / rule.max_aspect), int(w * rule.max_aspect)
        h = int(rng.integers(max(least, lowest), min(height, highest) + 1))
        box = (x + int(rng.integers(width - w + 1)), y + int(rng.integers(height - h + 1)), w, h)
        overlap = float(ious(np.array(taken), np.array(box)).max()) if taken else 0.0
        if best is None or overlap < best[0]:
            best = overlap, box
        if overlap <= rule.max_iou:
            return box
    assert best is not None  # tries is at least 1
    return best[1]
