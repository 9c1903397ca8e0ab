"""The heads of Mask R-CNN: torchvision's blocks with detectron2's initial values and mask loss.

Sources: detectron2 ``modeling/roi_heads/{roi_heads,box_head,mask_head}.py``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads

from transfer.detection.detector import Found, Targets
from transfer.detection.heads import RegionHeads, RegionPredictor, region_losses
from transfer.detection.masks import cropped
from transfer.detection_config import BoxHead, DetectionRules, MaskHead, PyramidDetector


class MaskRegionHeads(RegionHeads):
    """Boxes and classes of proposals; masks of those that hold an object, and of what was found.

    ``pools`` cut the features of boxes and of masks.
    """

    def __init__(
        self, settings: PyramidDetector, rules: DetectionRules, pools: tuple[nn.Module, nn.Module], classes: int
    ) -> None:
        head = box_head(settings.box_head, settings.channels)
        predictor = RegionPredictor(settings.box_head.hidden, classes)
        super().__init__(pools[0], head, predictor, settings.rois_per_image, rules)
        self.mask_pool = pools[1]
        self.mask_layers = mask_head(settings.mask_head, settings.channels, classes)

    def forward(
        self, features: Any, proposals: list[Tensor], sizes: list[tuple[int, int]], targets: Targets | None = None
    ) -> tuple[list[Found], dict[str, Tensor]]:
        """Detections per image (testing) and losses (training) from the pyramid's maps."""
        if targets is None:
            found = self.found(features, proposals, sizes)
            masks = self._masks(features, [each["boxes"] for each in found], [each["labels"] for each in found])
            return [{**each, "masks": mask} for each, mask in zip(found, masks, strict=True)], {}
        proposals, matched, labels, box_targets = self.select_training_samples(proposals, targets)
        losses = region_losses(*self.predict(features, proposals), torch.cat(labels), torch.cat(box_targets))
        return [], {**losses, "loss_mask": self._mask_loss(features, proposals, matched, labels, targets)}

    def _mask_loss(
        self, features: Any, proposals: list[Tensor], matched: list[Tensor], labels: list[Tensor], targets: Targets
    ) -> Tensor:
        """Binary cross-entropy of the true class's mask, the mean over all cells of regions that hold an object."""
        positive = [each.nonzero()[:, 0] for each in labels]
        boxes = [each[chosen] for each, chosen in zip(proposals, positive, strict=True)]
        classes = torch.cat([each[chosen] for each, chosen in zip(labels, positive, strict=True)])
        if not len(classes):  # all images without an object: nothing to learn, and no norm may see nothing
            return torch.stack([parameter.sum() for parameter in self.mask_layers.parameters()]).sum() * 0
        logits = self.mask_layers(self.mask_pool(features, boxes)).float()
        truth = []
        for target, objects, chosen, box in zip(targets, matched, positive, boxes, strict=True):
            outlines = [target["polygons"][item] for item in objects[chosen].tolist()]
            truth.append(cropped(outlines, box, logits.shape[-1]))
        right = logits[torch.arange(len(classes), device=logits.device), classes - 1]
        return F.binary_cross_entropy_with_logits(right, torch.cat(truth).to(right))

    def _masks(self, features: Any, boxes: list[Tensor], labels: list[Tensor]) -> list[Tensor]:
        """Of each image the probabilities (n, M, M) over its n boxes that the cells are of the box's class."""
        logits = self.mask_layers(self.mask_pool(features, boxes)).float()
        classes = torch.cat(labels) - 1
        masks = logits[torch.arange(len(classes), device=logits.device), classes].sigmoid()
        return list(masks.split([len(each) for each in boxes]))


def box_head(settings: BoxHead, channels: int) -> nn.Module:
    """(R, C, size, size) to (R, hidden): convolutions with norm and ReLU, one fully connected layer with ReLU."""
    size = (channels, settings.pool_size, settings.pool_size)
    head: nn.Sequential = FastRCNNConvFCHead(
        size, [settings.channels] * settings.convs, [settings.hidden], nn.BatchNorm2d
    )
    for layer in head:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
    return head


def mask_head(settings: MaskHead, channels: int, classes: int) -> nn.Module:
    """(R, C, size, size) to logits (R, classes, 2 size, 2 size): convolutions with norm and ReLU, a deconvolution."""
    convs = MaskRCNNHeads(channels, [settings.channels] * settings.convs, 1, nn.BatchNorm2d)
    width = settings.channels if settings.convs else channels
    double = nn.ConvTranspose2d(width, settings.channels, 2, stride=2)
    logits = nn.Conv2d(settings.channels, classes, 1)
    nn.init.kaiming_normal_(double.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(logits.weight, std=0.001)
    for bias in (double.get_parameter("bias"), logits.get_parameter("bias")):
        nn.init.zeros_(bias)
    return nn.Sequential(convs, double, nn.ReLU(), logits)
