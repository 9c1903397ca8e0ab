"""mmsegmentation's ResNet, dilated as a task says, with the tensors of a pre-training in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmseg.models.backbones.resnet import BasicBlock, Bottleneck, ResNet
from mmseg.registry import MODELS

from ground.networks import BackboneName
from transfer.weights import load_backbone

_SHAPES: dict[BackboneName, tuple[int, int]] = {"resnet50": (50, 64), "resnet18": (18, 64), "resnet10_w32": (10, 32)}
"""Depth, channels of the first stage."""


@MODELS.register_module()
class PreTrainedResNet(ResNet):
    """A network of `ground.backbones` by name: mmsegmentation gives the same tensors the same names.

    Args:
        net: which network.
        weights: safetensors file that `init_weights` loads.
        settings: mmsegmentation's own, strides and dilations among them.
    """

    arch_settings = {10: (BasicBlock, (1, 1, 1, 1)), 18: (BasicBlock, (2, 2, 2, 2)), 50: (Bottleneck, (3, 4, 6, 3))}  # noqa: RUF012

    def __init__(self, net: BackboneName, weights: str, **settings: Any) -> None:
        depth, width = _SHAPES[net]
        super().__init__(depth, stem_channels=width, base_channels=width, style="pytorch", **settings)
        self.weights = Path(weights)

    def init_weights(self) -> None:
        """Load every tensor.

        Raises:
            WeightsError: the file is missing or broken, or does not fit.
        """
        load_backbone(self, self.weights)
