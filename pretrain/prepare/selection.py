"""Which boxes and pairs of boxes are kept (methods.md 7): pure functions of boxes and features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretrain.inputs import BoxFilter
from pretrain.views.boxes import ious


def filtered(boxes: NDArray[Any], rule: BoxFilter) -> NDArray[Any]:
    """``distinct``, or the first box if none is; so there is always one: (B, 4) of (N, 4)."""
    kept = distinct(boxes, rule)
    return kept if len(kept) else boxes[:1]


def distinct(boxes: NDArray[Any], rule: BoxFilter) -> NDArray[Any]:
    """The first ``most`` of ``boxes`` (N, 4) that are large, not too long, and no double of one kept before: (B, 4).

    As in Jiahao000/ORL openselfsup/datasets/correspondence.py ``box_filter``.
    """
    w, h = boxes[:, 2].astype(np.int64), boxes[:, 3].astype(np.int64)
    shaped = (np.minimum(w, h) >= rule.min_side) & (np.maximum(w, h) / np.minimum(w, h) <= rule.max_aspect)
    kept: list[int] = []
    for index in np.flatnonzero(shaped).tolist():
        if len(kept) == rule.most:
            break
        if not kept or ious(boxes[kept], boxes[index]).max() <= rule.max_iou:
            kept.append(index)
    return boxes[kept]


def nearest(bank: Tensor, images: range, count: int) -> Tensor:
    """The ``count`` nearest others of ``images`` by cosine: (len(images), count), nearest first.

    Args:
        bank: unit vectors of all images (N, D), N > ``count``.
        images: the ones that ask.
        count: neighbours of each.

    The image itself is left out by its number. The official notebook leaves out whatever ranks first, which among
    copies of one image may be another one.
    """
    similarity = bank[images.start : images.stop] @ bank.T
    rows = torch.arange(len(images), device=bank.device)
    similarity[rows, rows + images.start] = -torch.inf
    return similarity.topk(count, dim=1).indices


def top_pairs(query: Tensor, key: Tensor, share: float) -> Tensor:
    """The pairs of most similar boxes of two images, best first: (n, 2), numbers of query and key box.

    Args:
        query: unit vectors of an image's boxes (B, C).
        key: unit vectors of another's (B', C).
        share: n is this share of B, rounded down, at least 1 (Jiahao000/ORL openselfsup/models/correspondence.py).
    """
    similarity = query @ key.T
    best = similarity.flatten().topk(pair_count(len(query), share)).indices
    return torch.stack([best // len(key), best % len(key)], dim=1)


def pair_count(boxes: int, share: float) -> int:
    """How many pairs an image with that many boxes has with each neighbour."""
    return max(int(share * boxes), 1)
