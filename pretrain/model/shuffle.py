"""ShuffleBN: keys are normalised in other company than their queries (MoCo, sec. 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ground.distributed import gather, rank, world
from pretrain.model.norm import in_groups


def permutation(share: int) -> tuple[Tensor, Tensor]:
    """Of all processes' images, ``share`` each, those that this one normalises, and the places of its own among what
    all have then normalised.

    It comes from the global generator, which the training loop sets to the same (seed, step) on every process.
    """
    order = torch.randperm(share * world())
    own = slice(rank() * share, (rank() + 1) * share)
    return order[own], order.argsort()[own]


def shuffled(network: nn.Module, images: Tensor, group: int, taken: Tensor, places: Tensor) -> Tensor:
    """``network(images)`` with batch-norm groups drawn over the batch of all processes by ``permutation``."""
    return gather(in_groups(network, gather(images)[taken], group))[places]
