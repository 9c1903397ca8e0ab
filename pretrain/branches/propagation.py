"""Pixel-to-propagation consistency (PixPro)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrain.branch_config import PixelPropagation
from pretrain.branches.base import Geometry, PairBranch
from pretrain.branches.matching import cell_distances
from pretrain.branches.pixel import cells

EPSILON = 1e-6


class Propagation(nn.Module):
    """Each cell becomes the sum of all cells' transforms, weighted by similarity (PixPro, eq. 3-4).

    ``y_u = Σ_v max(cos(x_u, x_v), clamp)^power · t(x_v) / |t(x_v)|``; t is a linear layer without norm, or nothing.
    """

    def __init__(self, channels: int, config: PixelPropagation) -> None:
        super().__init__()
        self.power, self.clamp = config.power, config.clamp
        self.transform = nn.Linear(channels, channels) if config.transform_layers else nn.Identity()

    def forward(self, vectors: Tensor) -> Tensor:
        """Propagate the cells (B, N, C) of each image: (B, N, C), not normalised, in single precision."""
        values = F.normalize(self.transform(vectors).float(), dim=2)
        with torch.autocast(vectors.device.type, enabled=False):
            unit = F.normalize(vectors.float(), dim=2)
            attention = (unit @ unit.transpose(1, 2)).clamp_min(self.clamp) ** self.power
            return attention @ values


class PixelPropagationBranch(PairBranch):
    """Propagated cells of the student are pulled to the teacher's cells at the same place.

    Follows zdaxie/PixPro contrast/models/PixPro.py (methods.md 10). No negatives; the sum of both directions is −4 at
    its least, and 0 for a pair of views that do not meet.
    """

    capturable = True

    def __init__(self, channels: int, config: PixelPropagation) -> None:
        super().__init__(channels, config)
        self.propagation = Propagation(config.projector.out, config)
        self.threshold = config.threshold

    def direction(self, query: Tensor, key: Tensor, geometry: Geometry, views: tuple[int, int]) -> Tensor:
        """−2 × the mean over images of the mean cosine of an image's positive pairs; see ``PairBranch.direction``."""
        query_cells, key_cells = cells(query), cells(key)
        batch, count, _ = query_cells.shape
        projected = self.online(query_cells.flatten(0, 1)).view(batch, count, -1)
        predictions = F.normalize(self.propagation(projected), dim=2)
        keys = F.normalize(self.momentum(key_cells.flatten(0, 1)).float().view(batch, count, -1), dim=2)
        boxes = [relative_box(geometry.boxes[view], geometry.sizes[view]) for view in views]
        near = (cell_distances(boxes[0], boxes[1], round(count**0.5)) < self.threshold).float()
        return -2 * mean_cosine(predictions, keys, near).mean()


def mean_cosine(predictions: Tensor, keys: Tensor, positive: Tensor) -> Tensor:
    """The mean cosine over an image's positive pairs: (B,), 0 where there is none.

    Args:
        predictions: (B, N, C), unit norm.
        keys: (B, N, C), unit norm.
        positive: (B, N, N), 1 where a query cell and a key cell belong together, else 0.
    """
    with torch.autocast(predictions.device.type, enabled=False):
        cosines = predictions @ keys.transpose(1, 2)
        return (cosines * positive).sum((1, 2)) / (positive.sum((1, 2)) + EPSILON)


def relative_box(box: Tensor, size: Tensor) -> Tensor:
    """Signed boxes (B, 4) as PixPro has them: first and last pixel, over the last pixel of the image.

    x and y have units of their own, so that distances in an oblong image are not those in pixels
    (contrast/data/transform_coord.py).

    Args:
        box: signed boxes (B, 4) in pixels; the larger edge is the first pixel outside.
        size: (B, 2), (width, height) of their images.
    """
    corners = box.view(-1, 2, 2)
    outside = corners == corners.amax(1, keepdim=True)
    return ((corners - outside.float()) / (size[:, None] - 1).clamp_min(1)).flatten(1)
