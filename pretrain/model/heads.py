"""Projectors and predictors."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from pretrain.branch_config import Head
from pretrain.model.norm import SyncBatchNorm


class Perceptron(nn.Sequential):
    """Layers in their order; ``fused``, a norm and the ReLU after it are one."""

    fused = False

    def forward(self, input: Tensor) -> Tensor:
        """The layers' output for (N, channels) vectors: (N, out)."""
        if not (self.fused and self.training):
            return cast(Tensor, super().forward(input))
        from pretrain.model.fused_norm import norm_act

        layers, before = list(self), None
        for layer, following in zip(layers, [*layers[1:], None], strict=True):
            if isinstance(layer, nn.BatchNorm2d):
                input = norm_act(layer, input, relu=isinstance(following, nn.ReLU))
            elif not (isinstance(layer, nn.ReLU) and isinstance(before, nn.BatchNorm2d)):
                input = layer(input)
            before = layer
        return input


def perceptron(channels: int, head: Head) -> Perceptron:
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
    return Perceptron(*layers)


def truncated_normal(layer: nn.Linear) -> None:
    """Weights from N(0, 0.02), zero bias (CVMI-Lab/SlotCon models/slotcon.py ``_init_weights``)."""
    nn.init.trunc_normal_(layer.weight, std=0.02)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
