"""Mask R-CNN "FPN" of torchvision's parts: five maps of a ResNet's four stages, one head for boxes, one for masks.

detectron2's network, constants and initial values (``modeling/backbone/fpn.py``, ``modeling/anchor_generator.py``,
``modeling/poolers.py``), with batch norm wherever the paper's config has it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import repeat

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.resnet import ResNet
from torchvision.ops import FeaturePyramidNetwork, RoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from ground import backbones
from transfer.detection.detector import Detector, Found, Targets
from transfer.detection.heads import ProposalNetwork
from transfer.detection.inputs import Inputs
from transfer.detection.mask_heads import MaskRegionHeads
from transfer.detection_config import DetectionTask, Proposals, PyramidDetector, of_kind

STRIDES = (4, 8, 16, 32, 64)
"""Of the maps; regions are cut from all but the last."""
CANONICAL_SIDE, CANONICAL_MAP = 224.0, 4
"""A box of 224 pixels is cut from the map of stride 2 to the 4."""


class Pyramid(nn.Module):
    """The maps of strides 4 to 64 over all stages of ``net``, finest first, all of one width, with batch norms."""

    def __init__(self, net: ResNet, widest: int, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.stages = nn.ModuleList([net.layer1, net.layer2, net.layer3, net.layer4])
        widths = [widest // 8, widest // 4, widest // 2, widest]
        self.merge = FeaturePyramidNetwork(widths, channels, LastLevelMaxPool(), nn.BatchNorm2d)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Five maps (N, C, H / stride, W / stride) of images (N, 3, H, W)."""
        maps, value = OrderedDict(), self.stem(images)
        for number, stage in enumerate(self.stages):
            maps[str(number)] = value = stage(value)
        return list(self.merge(maps).values())


class PyramidAnchors(AnchorGenerator):
    """Anchors of one size a map at the strides themselves; torchvision rounds them and divides sizes instead."""

    def __init__(self, settings: Proposals) -> None:
        sizes = tuple((size,) for size in settings.anchor_sizes)
        super().__init__(sizes, (settings.anchor_ratios,) * len(sizes))

    def generate_anchors(
        self,
        scales: Sequence[int],
        aspect_ratios: Sequence[float],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Anchors (n, 4) around 0, one for each ratio of height to width."""
        ratios = torch.tensor(aspect_ratios, dtype=torch.float64)
        width = (scales[0] ** 2 / ratios).sqrt()
        height = width * ratios
        return (torch.stack([-width, -height, width, height], dim=1) / 2).to(device, dtype)

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Of each image all anchors (n, 4), map after map."""
        self.set_cell_anchors(feature_maps[0].dtype, feature_maps[0].device)
        sides = [list(each.shape[-2:]) for each in feature_maps]
        anchors = torch.cat(self.grid_anchors(sides, [[stride, stride] for stride in STRIDES]))
        return list(repeat(anchors, len(image_list.image_sizes)))


class PyramidPool(nn.Module):
    """RoIAlign from the map that suits each box's size."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.align = nn.ModuleList(RoIAlign(size, 1 / stride, sampling_ratio=0, aligned=True) for stride in STRIDES[:4])

    def forward(self, maps: list[Tensor], boxes: list[Tensor]) -> Tensor:
        """(R, C, size, size) of all boxes, image after image, from the first four maps."""
        owner = torch.cat([each.new_full((len(each), 1), index) for index, each in enumerate(boxes)])
        regions = torch.cat([owner, torch.cat(boxes)], dim=1)
        places = map_of(regions[:, 1:])
        pooled = maps[0].new_zeros((len(regions), maps[0].shape[1], self.size, self.size))
        for place, align in enumerate(self.align):
            mine = (places == place).nonzero()[:, 0]
            pooled[mine] = align(maps[place], regions[mine])
        return pooled


def map_of(boxes: Tensor) -> Tensor:
    """Which of the four maps each box (R, 4) is cut from (equation 1 of the FPN paper): (R,) int64."""
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    level = (CANONICAL_MAP + torch.log2(side / CANONICAL_SIDE + 1e-8)).floor()
    return level.clamp(2, 5).to(torch.int64) - 2


class PyramidNetwork(Detector):
    """The detector over ``net``, whose tensors it takes as they are; all of it is trained."""

    def __init__(self, config: DetectionTask, net: ResNet, classes: int) -> None:
        super().__init__()
        settings = of_kind(config, PyramidDetector)
        self.pyramid = Pyramid(net, backbones.channels(settings.backbone)[1], settings.channels)
        self.proposals = ProposalNetwork(settings.proposals, PyramidAnchors(settings.proposals), settings.channels)
        pools = PyramidPool(settings.box_head.pool_size), PyramidPool(settings.mask_head.pool_size)
        self.regions = MaskRegionHeads(settings, config.test, pools, classes)
        self.inputs = Inputs(config, stride=32)
        self.to(memory_format=self.inputs.format)  # type: ignore[call-overload]  # torch's stub leaves this form out

    def losses(self, images: list[Tensor], targets: Targets) -> dict[str, Tensor]:
        """Objectness, proposal boxes, classes, region boxes, masks."""
        batch, maps = self._maps(images)
        proposals, losses = self.proposals(batch, dict(enumerate(maps)), targets)
        return {**losses, **self.regions(maps, proposals, batch.image_sizes, targets)[1]}

    def detect(self, images: list[Tensor]) -> list[Found]:
        """Boxes, scores, labels and masks per image."""
        batch, maps = self._maps(images)
        proposals, _ = self.proposals(batch, dict(enumerate(maps)))
        found: list[Found] = self.regions(maps, proposals, batch.image_sizes)[0]
        return found

    def _maps(self, images: list[Tensor]) -> tuple[ImageList, list[Tensor]]:
        batch = self.inputs(images)
        return batch, [each.float() for each in self.pyramid(batch.tensors)]
