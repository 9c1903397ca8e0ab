"""Cosine similarities between cells of feature maps, and the matches they give: pure functions of tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.branches.matching import by_similarity


def cell_of(pixel: tuple[float, float], size: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    """The (row, column) of the cell that holds an image's pixel.

    Args:
        pixel: (x, y), from the upper left corner.
        size: (width, height) of the image.
        grid: (rows, columns) of the feature map of the whole image.
    """
    row, column = int(pixel[1] * grid[0] / size[1]), int(pixel[0] * grid[1] / size[0])
    return min(max(row, 0), grid[0] - 1), min(max(column, 0), grid[1] - 1)


def to_cell(features: Tensor, cell: tuple[int, int]) -> Tensor:
    """Cosine similarity of every cell with one of them: a self-attention map (PixCon, supplement B).

    Args:
        features: (C, H, W).
        cell: (row, column).

    Returns:
        (H, W) in [-1, 1].
    """
    unit = F.normalize(features.float(), dim=0)
    return torch.einsum("c,chw->hw", unit[:, cell[0], cell[1]], unit)


def smooth(similarities: Tensor, side: int) -> Tensor:
    """A map (H, W) at ``side`` × ``side`` pixels: bilinear between the cells' centres."""
    return F.interpolate(similarities[None, None], (side, side), mode="bilinear", align_corners=False)[0, 0]


def stretched(similarities: Tensor) -> Tensor:
    """A map with its least value at 0 and its greatest at 1; zeros where all are equal."""
    low, high = similarities.min(), similarities.max()
    return (similarities - low) / (high - low) if high > low else torch.zeros_like(similarities)


@dataclass(frozen=True)
class Pair:
    """A query cell and its match in the key view, both as (row, column), and their similarity."""

    query: tuple[int, int]
    key: tuple[int, int]
    similarity: float


@dataclass(frozen=True)
class Matches:
    """Similarities of all query cells with their matches (H, W), and the weakest pairs in the box, weakest first."""

    similarities: Tensor
    weakest: tuple[Pair, ...]


def matches(query: Tensor, key: Tensor, in_box: Tensor, count: int) -> Matches:
    """The match of each query cell is the key cell of greatest cosine, anywhere in the key view; of the query cells
    that the key view sees, the ``count`` with the lowest similarity are kept (PixCon, supplement, Figure 2).

    Args:
        query: the query view's features (C, H, W).
        key: the key view's (C, H, W).
        in_box: bool (H, W), query cells inside the views' intersection.
        count: pairs to keep; fewer where the box has fewer cells. Among equals the first in reading order comes first.
    """
    _, rows, columns = query.shape
    found = by_similarity(query.flatten(1).t()[None], key.flatten(1).t()[None])
    index, similarity = found.index[0].tolist(), found.similarity[0]
    inside = in_box.flatten().nonzero()[:, 0]
    order = inside[similarity[inside].argsort(stable=True)][:count].tolist()
    width = key.shape[2]
    weakest = [Pair(divmod(at, columns), divmod(index[at], width), float(similarity[at])) for at in order]
    return Matches(similarity.view(rows, columns), tuple(weakest))
