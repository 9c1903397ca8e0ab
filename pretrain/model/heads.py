"""Projectors and predictors."""

from __future__ import annotations

from torch import nn

from pretrain.branch_config import Head
from pretrain.model.norm import SyncBatchNorm


def perceptron(channels: int, head: Head) -> nn.Sequential:
    """``(Linear → (norm) → activation) × (layers − 1) → Linear`` on (N, channels) vectors.

    Layers before a norm keep their bias, as the released heads do (pangzss/PixCon mmselfsup/models/necks). A head on
    a feature map is applied to its cells as vectors: the same function as 1×1 convolutions, norm included.
    """
    layers: list[nn.Module] = []
    for _ in range(head.layers - 1):
        layers.append(nn.Linear(channels, head.hidden))
        if head.norm:
            layers.append(SyncBatchNorm(head.hidden))
        layers.append(nn.ReLU(inplace=True) if head.activation == "relu" else nn.GELU())
        channels = head.hidden
    layers.append(nn.Linear(channels, head.out, bias=head.last_bias))
    if head.init == "trunc_normal":
        for layer in layers:
            if isinstance(layer, nn.Linear):
                truncated_normal(layer)
    return nn.Sequential(*layers)


def truncated_normal(layer: nn.Linear) -> None:
    """Weights from N(0, 0.02), zero bias (CVMI-Lab/SlotCon models/slotcon.py ``_init_weights``)."""
    nn.init.trunc_normal_(layer.weight, std=0.02)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
