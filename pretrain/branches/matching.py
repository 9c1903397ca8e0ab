"""Which key cell is the positive of which query cell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.branch_config import Coordinate, Matcher


@dataclass
class Match:
    """For each of the N query cells of B images, all (B, N): the key cell, its similarity, and whether it counts."""

    index: Tensor
    similarity: Tensor
    valid: Tensor


def match(matcher: Matcher, query: Tensor, key: Tensor, query_box: Tensor, key_box: Tensor) -> Match:
    """The positives by ``matcher``; no gradient.

    Args:
        matcher: the recipe's choice.
        query: backbone features (B, N, C) of the query view.
        key: those of the key view.
        query_box: signed boxes (B, 4) of the query view in image pixels.
        key_box: those of the key view.
    """
    with torch.no_grad():
        if isinstance(matcher, Coordinate):
            return by_coordinate(query_box, key_box, round(query.shape[1] ** 0.5), matcher.threshold)
        return by_similarity(query, key)


def by_similarity(query: Tensor, key: Tensor) -> Match:
    """The key cell of greatest cosine similarity, anywhere in the key view (DenseCL; PixCon pixcon.py)."""
    with torch.autocast(query.device.type, enabled=False):
        cosines = F.normalize(query.float(), dim=2) @ F.normalize(key.float(), dim=2).transpose(1, 2)
    similarity, index = cosines.max(2)
    return Match(index, similarity, torch.ones_like(similarity, dtype=torch.bool))


def by_coordinate(query_box: Tensor, key_box: Tensor, grid: int, threshold: float) -> Match:
    """The key cell whose centre is nearest in the image, valid below ``threshold`` bin diagonals (PixPro).

    Distances are in pixels over the longer of the two views' bin diagonals (methods.md 6 A, B.3).
    """
    nearest, index = cell_distances(query_box, key_box, grid).min(2)
    return Match(index, -nearest, nearest < threshold)


def cell_distances(query_box: Tensor, key_box: Tensor, grid: int) -> Tensor:
    """Distances of cell centres, query × key (B, grid², grid²), over the longer of the two views' bin diagonals.

    Args:
        query_box: signed boxes (B, 4) of the query view, in any unit.
        key_box: those of the key view, in the same unit.
        grid: cells along a side.
    """
    query_centres, query_bin = _centres(query_box, grid)
    key_centres, key_bin = _centres(key_box, grid)
    diagonal = torch.maximum(query_bin, key_bin).view(-1, 1, 1)
    return torch.cdist(query_centres, key_centres, compute_mode="donot_use_mm_for_euclid_dist") / diagonal


def _centres(box: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    """Cell centres (B, grid², 2) as (x, y), rows first, and the bin diagonal (B,); a negative width runs leftwards."""
    origin, extent = box[:, None, :2], (box[:, 2:] - box[:, :2])[:, None]
    steps = (torch.arange(grid, device=box.device, dtype=box.dtype) + 0.5) / grid
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    fractions = torch.stack([x.flatten(), y.flatten()], 1)
    return origin + fractions * extent, (extent[:, 0] / grid).norm(dim=1)
