"""Detectors of torchvision's parts. Here Faster R-CNN "C4": three stages of a ResNet make the map, the fourth heads
every region."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.resnet import ResNet
from torchvision.ops import RoIAlign

from ground import backbones
from transfer.detection.detector import Detector, Found, Targets
from transfer.detection.heads import ProposalNetwork, RegionHeads, RegionPredictor
from transfer.detection.inputs import Inputs
from transfer.detection.pyramid import PyramidNetwork
from transfer.detection_config import DetectionTask, RegionDetector, of_kind
from transfer.weights import load_backbone

STRIDE = 16
"""Of the map."""


def build(config: DetectionTask, weights: Path, classes: int) -> Detector:
    """The detector over a pre-trained backbone; its heads drawn from torch's global generator.

    Raises:
        WeightsError: ``weights`` do not fit the backbone.
    """
    net = backbones.build(config.model.backbone)
    load_backbone(net, weights)
    detector = PyramidNetwork if config.model.kind == "mask_rcnn_fpn" else TorchvisionDetector
    return detector(config, net, classes)


class TorchvisionDetector(Detector):
    """The detector over ``net``, whose tensors it takes as they are; all of it is trained."""

    def __init__(self, config: DetectionTask, net: ResNet, classes: int) -> None:
        super().__init__()
        settings = of_kind(config, RegionDetector)
        stem = [net.conv1, net.bn1, net.relu, net.maxpool]
        self.stages = nn.Sequential(*stem, net.layer1, net.layer2, net.layer3)
        map_width, head_width = backbones.channels(settings.backbone)
        norm = [nn.BatchNorm2d(head_width)] if settings.extra_norm else []
        head = nn.Sequential(net.layer4, *norm, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        anchors = AnchorGenerator((settings.proposals.anchor_sizes,), (settings.proposals.anchor_ratios,))
        self.proposals = ProposalNetwork(settings.proposals, anchors, map_width)
        pool = RoIAlign(settings.pool_size, 1 / STRIDE, sampling_ratio=0, aligned=True)
        predictor = RegionPredictor(head_width, classes)
        self.regions = RegionHeads(pool, head, predictor, settings.rois_per_image, config.test)
        self.inputs = Inputs(config, STRIDE)
        self.to(memory_format=self.inputs.format)  # type: ignore[call-overload]  # torch's stub leaves this form out

    def losses(self, images: list[Tensor], targets: Targets) -> dict[str, Tensor]:
        """Objectness, proposal boxes, classes, region boxes."""
        batch = self.inputs(images)
        features = self.stages(batch.tensors).float()
        proposals, losses = self.proposals(batch, {"0": features}, targets)
        return {**losses, **self.regions(features, proposals, batch.image_sizes, targets)[1]}

    def detect(self, images: list[Tensor]) -> list[Found]:
        """Boxes, scores and labels per image."""
        batch = self.inputs(images)
        features = self.stages(batch.tensors)
        proposals, _ = self.proposals(batch, {"0": features})
        detections: list[Found] = self.regions(features, proposals, batch.image_sizes)[0]
        return detections
