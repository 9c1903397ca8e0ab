"""What training and testing ask of a detector, whichever library it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Polygons = list[NDArray[np.float64]]
"""One object's, each x0, y0, x1, y1, …; on the CPU wherever the network is."""


class Target(TypedDict):
    """What is to be found in one image, in its pixels; n may be 0."""

    boxes: Tensor
    """(n, 4) float32 x0, y0, x1, y1."""
    labels: Tensor
    """(n,) int64 from 1."""
    polygons: NotRequired[list[Polygons]]
    """Of n objects; there if the detector learns masks."""


class Found(TypedDict):
    """What is found in one image, in its pixels."""

    boxes: Tensor
    """(n, 4)."""
    scores: Tensor
    """(n,) falling."""
    labels: Tensor
    """(n,) from 1."""
    masks: NotRequired[Tensor]
    """(n, M, M) probabilities over the box, of a detector that learns masks; not yet pasted into the image."""


Targets = list[Target]


class Detector(nn.Module, ABC):
    """A network over RGB images (3, H, W) uint8 of any sizes; it normalises and pads them itself."""

    @abstractmethod
    def losses(self, images: list[Tensor], targets: Targets) -> dict[str, Tensor]:
        """Named scalar losses, in training mode. Draws samples from torch's global generator."""

    @abstractmethod
    def detect(self, images: list[Tensor]) -> list[Found]:
        """What is in each image, in testing mode."""
