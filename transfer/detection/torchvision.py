"""Faster R-CNN "C4" of torchvision's parts: three stages of a ResNet make the map, the fourth heads every region."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList
from torchvision.models.resnet import ResNet

from ground import backbones
from transfer.detection.detector import Detector, Found, Targets
from transfer.detection.heads import STRIDE, ProposalNetwork, RegionHeads
from transfer.detection_config import DetectionTask, RegionDetector, of_kind
from transfer.weights import load_backbone


def build(config: DetectionTask, weights: Path, classes: int) -> Detector:
    """The detector over a pre-trained backbone; its heads drawn from torch's global generator.

    Raises:
        WeightsError: ``weights`` do not fit the backbone.
    """
    net = backbones.build(config.model.backbone)
    load_backbone(net, weights)
    return TorchvisionDetector(config, net, classes)


class TorchvisionDetector(Detector):
    """The detector over ``net``, whose tensors it takes as they are; all of it is trained."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: DetectionTask, net: ResNet, classes: int) -> None:
        super().__init__()
        settings = of_kind(config, RegionDetector)
        stem = [net.conv1, net.bn1, net.relu, net.maxpool]
        self.stages = nn.Sequential(*stem, net.layer1, net.layer2, net.layer3)
        map_width, head_width = backbones.channels(settings.backbone)
        norm = [nn.BatchNorm2d(head_width)] if settings.extra_norm else []
        head = nn.Sequential(net.layer4, *norm, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.proposals = ProposalNetwork(settings.proposals, map_width)
        self.regions = RegionHeads(settings, config.test, head, head_width, classes)
        self.register_buffer("mean", torch.tensor(config.pixel_mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.pixel_std).view(3, 1, 1), persistent=False)
        self.format = torch.channels_last if config.channels_last else torch.contiguous_format
        self.to(memory_format=self.format)  # type: ignore[call-overload]  # torch's stub leaves this form out

    def losses(self, images: list[Tensor], targets: Targets) -> dict[str, Tensor]:
        """Objectness, proposal boxes, classes, region boxes."""
        batch = self._batch(images)
        features = self.stages(batch.tensors).float()
        proposals, losses = self.proposals(batch, {"0": features}, targets)
        return {**losses, **self.regions(features, proposals, batch.image_sizes, targets)[1]}

    def detect(self, images: list[Tensor]) -> list[Found]:
        """Boxes, scores and labels per image."""
        batch = self._batch(images)
        features = self.stages(batch.tensors)
        proposals, _ = self.proposals(batch, {"0": features})
        detections: list[Found] = self.regions(features, proposals, batch.image_sizes)[0]
        return detections

    def _batch(self, images: list[Tensor]) -> ImageList:
        """Images normalised, padded with the mean colour at the right and bottom to whole strides, stacked."""
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        height, width = (-(-max(side) // STRIDE) * STRIDE for side in zip(*sizes, strict=True))
        normal = [(image - self.mean) / self.std for image in images]
        padded = [F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1])) for image in normal]
        return ImageList(torch.stack(padded).contiguous(memory_format=self.format), sizes)
