"""Images of any sizes as one batch that a network takes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList

from transfer.detection_config import DetectionTask


class Inputs(nn.Module):
    """Normalises images, pads them with the mean colour at the right and bottom to whole strides, and stacks them."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: DetectionTask, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.format = torch.channels_last if config.channels_last else torch.contiguous_format
        self.register_buffer("mean", torch.tensor(config.pixel_mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.pixel_std).view(3, 1, 1), persistent=False)

    def forward(self, images: list[Tensor]) -> ImageList:
        """The batch (N, 3, H, W) of images (3, h, w) uint8, with their sizes."""
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        height, width = (-(-max(side) // self.stride) * self.stride for side in zip(*sizes, strict=True))
        normal = [(image - self.mean) / self.std for image in images]
        padded = [F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1])) for image in normal]
        return ImageList(torch.stack(padded).contiguous(memory_format=self.format), sizes)
