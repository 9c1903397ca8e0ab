"""Projectors and predictors."""

from __future__ import annotations

from torch import nn

from pretrain.config import Head
from pretrain.model.norm import SyncBatchNorm


def perceptron(channels: int, head: Head) -> nn.Sequential:
    """``Linear → (norm) → ReLU → Linear`` on (N, channels) vectors.

    Layers before a norm keep their bias, as the released heads do (pangzss/PixCon mmselfsup/models/necks). A head on
    a feature map is applied to its cells as vectors: the same function as 1×1 convolutions, norm included.
    """
    layers: list[nn.Module] = [nn.Linear(channels, head.hidden)]
    if head.norm:
        layers.append(SyncBatchNorm(head.hidden))
    layers += [nn.ReLU(inplace=True), nn.Linear(head.hidden, head.out, bias=head.last_bias)]
    return nn.Sequential(*layers)
