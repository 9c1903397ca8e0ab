"""Pixel-level contrast: InfoNCE of matched cells (DenseCL, PixCon-Sim, PixCon-Coord, PixCon-SR)."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from pretrain.branch_config import PixelContrast
from pretrain.branches.base import Geometry, PairBranch
from pretrain.branches.infonce import queue_infonce
from pretrain.branches.keys import FreshKeys
from pretrain.branches.matching import Match, match
from pretrain.branches.reweighting import semantic_weights, weighted_mean


def cells(features: Tensor) -> Tensor:
    """A feature map's cells as vectors: (B, C, H, W) → (B, H·W, C)."""
    return features.flatten(2).transpose(1, 2)


class PixelContrastBranch(PairBranch):
    """Each query cell is pulled to its matched key cell and away from a queue of pooled keys.

    Follows pangzss/PixCon mmselfsup/models/algorithms/pixcon.py ``calc_dense_loss`` (methods.md 5.2): matches are
    found on backbone features, losses taken on projections, the queue holds the spatial mean of the raw key
    projections, normalised.
    """

    capturable = True

    def __init__(self, channels: int, config: PixelContrast) -> None:
        super().__init__(channels, config)
        self.temperature, self.block = config.temperature, config.query_block
        self.matcher, self.reweight, self.group = config.matcher, config.reweight, config.group
        self.fused = False
        self.fresh = FreshKeys(config.queue, config.projector.out)

    def direction(self, query: Tensor, key: Tensor, geometry: Geometry, views: tuple[int, int]) -> Tensor:
        """Weighted mean InfoNCE over cells, per group of images; see ``PairBranch.direction``."""
        a, b = views
        query_cells, key_cells = cells(query), cells(key)
        batch, count, _ = query_cells.shape
        found = match(self.matcher, query_cells, key_cells, geometry.boxes[a], geometry.boxes[b])
        queries = F.normalize(self.online(query_cells.flatten(0, 1)).float(), dim=1)
        keys = self.momentum(key_cells.flatten(0, 1)).float().view(batch, count, -1)
        self.fresh.keep(b, F.normalize(keys.mean(1), dim=1))
        index = found.index.unsqueeze(2).expand(-1, -1, keys.shape[2])
        positives = F.normalize(keys, dim=2).gather(1, index).flatten(0, 1)
        queue = self.fresh.queue.keys
        losses = queue_infonce(queries, positives, queue, self.temperature, self.block, fused=self.fused)
        return weighted_mean(losses.view(batch, count), self._weights(found, geometry.masks[a]), self.group)

    def _weights(self, found: Match, in_box: Tensor) -> Tensor:
        """What each query cell counts: (B, N)."""
        if self.reweight is None:
            return found.valid.float()
        return semantic_weights(found.similarity, in_box.flatten(1), self.reweight.power) * found.valid

    def remembered(self) -> Callable[[], None]:
        """See ``Branch.remembered``."""
        return self.fresh.remembered()

    def end_step(self, view: int) -> None:
        """Enqueue the step's pooled keys of ``view``."""
        self.fresh.enqueue(view)
