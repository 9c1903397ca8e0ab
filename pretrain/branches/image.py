"""Image-level branches: one vector an image, by global average pooling."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from pretrain.branch_config import ImageContrast, ImageRegression
from pretrain.branches.base import Geometry, PairBranch
from pretrain.branches.infonce import queue_infonce
from pretrain.branches.keys import FreshKeys
from pretrain.branches.pixel import cells


def pool(features: Tensor) -> Tensor:
    """Global average: (B, C, H, W) → (B, C)."""
    return features.mean((2, 3))


def regression(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of ``2 − 2 cos`` between predictions and targets (B, D) (methods.md B.7)."""
    return (2 - 2 * F.cosine_similarity(prediction.float(), target.float(), dim=1)).mean()


class ImageContrastBranch(PairBranch):
    """InfoNCE of pooled features against a queue of image keys (MoCo-v2+; pangzss/PixCon mocov2_plus.py)."""

    capturable = True

    def __init__(self, channels: int, config: ImageContrast) -> None:
        super().__init__(channels, config)
        self.temperature, self.block = config.temperature, config.query_block
        self.fused = False
        self.fresh = FreshKeys(config.queue, config.projector.out)

    def direction(self, query: Tensor, key: Tensor, geometry: Geometry, views: tuple[int, int]) -> Tensor:
        """Mean InfoNCE of the batch; see ``PairBranch.direction``."""
        queries = F.normalize(self.online(pool(query)).float(), dim=1)
        keys = F.normalize(self.momentum(pool(key)).float(), dim=1)
        self.fresh.keep(views[1], keys)
        queue = self.fresh.queue.keys
        return queue_infonce(queries, keys, queue, self.temperature, self.block, fused=self.fused).mean()

    def remembered(self) -> Callable[[], None]:
        """See ``Branch.remembered``."""
        return self.fresh.remembered()

    def end_step(self, view: int) -> None:
        """Enqueue the step's keys of ``view``."""
        self.fresh.enqueue(view)


class ImageRegressionBranch(PairBranch):
    """BYOL: ``2 − 2 cos(prediction, target projection)`` (methods.md 2).

    With ``pool: after``, PixPro's instance loss (zdaxie/PixPro contrast/models/PixPro.py; methods.md 10), whose
    ``−2 cos`` differs by a constant.
    """

    capturable = True

    def __init__(self, channels: int, config: ImageRegression) -> None:
        super().__init__(channels, config)
        self.pool = config.pool

    def direction(self, query: Tensor, key: Tensor, geometry: Geometry, views: tuple[int, int]) -> Tensor:
        """Mean squared distance of unit vectors; see ``PairBranch.direction``."""
        return regression(self._vectors(self.online, query), self._vectors(self.momentum, key))

    def _vectors(self, network: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
        """One output of ``network`` an image: (B, C, H, W) → (B, out)."""
        if self.pool == "before":
            return network(pool(features)).float()
        vectors = cells(features)
        return network(vectors.flatten(0, 1)).float().view(*vectors.shape[:2], -1).mean(1)
