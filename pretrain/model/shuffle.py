"""ShuffleBN: keys are normalised in other company than their queries (MoCo, sec. 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ground.distributed import gather, rank
from pretrain.device import moved
from pretrain.model.norm import in_groups


def shuffled(network: nn.Module, images: Tensor, group: int) -> Tensor:
    """``network(images)`` with batch-norm groups drawn over the batch of all processes.

    The permutation comes from the global generator, which the training loop sets to the same (seed, step) on every
    process.
    """
    share = images.shape[0]
    everyone = gather(images)
    order = torch.randperm(everyone.shape[0])
    own = slice(rank() * share, (rank() + 1) * share)
    features = gather(in_groups(network, everyone[moved(order[own], images.device)], group))
    return features[moved(order.argsort()[own], images.device)]
