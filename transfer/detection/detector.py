"""What training and testing ask of a detector, whichever library it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

Targets = list[dict[str, Tensor]]
"""Per image: ``boxes`` (n, 4) float32 x0, y0, x1, y1 in its pixels; ``labels`` (n,) int64 from 1."""


class Detector(nn.Module, ABC):
    """A network over RGB images (3, H, W) uint8 of any sizes; it normalises and pads them itself."""

    @abstractmethod
    def losses(self, images: list[Tensor], targets: Targets) -> dict[str, Tensor]:
        """Named scalar losses, in training mode. Draws samples from torch's global generator."""

    @abstractmethod
    def detect(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        """Per image ``boxes`` (n, 4) in its pixels, ``scores`` (n,) falling, ``labels`` (n,) from 1; testing mode."""
