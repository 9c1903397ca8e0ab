"""The two heads of every R-CNN, torchvision's classes with detectron2's losses, constants and initial values.

Sources: detectron2 ``modeling/proposal_generator/rpn.py``, ``modeling/roi_heads/{roi_heads,fast_rcnn}.py``. What stays
torchvision's: anchors are rounded to whole pixels, boxes under 0.01 px are dropped before non-maximum suppression.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

from transfer.detection.detector import Found, Targets
from transfer.detection_config import DetectionRules, Proposals

RPN_SAMPLES = 256


class ProposalNetwork(RegionProposalNetwork):
    """torchvision's RPN with L1 box loss, both losses divided by the 256 samples asked for per image."""

    def __init__(self, settings: Proposals, anchors: AnchorGenerator, channels: int) -> None:
        super().__init__(
            anchors,
            RPNHead(channels, anchors.num_anchors_per_location()[0]),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=RPN_SAMPLES,
            positive_fraction=0.5,
            pre_nms_top_n={"training": settings.pre_nms_train, "testing": settings.pre_nms_test},
            post_nms_top_n={"training": settings.post_nms_train, "testing": settings.post_nms_test},
            nms_thresh=0.7,
        )

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Binary cross-entropy of objectness and L1 of positive anchors' deltas; both scalars."""
        positive, negative = (torch.cat(chosen).nonzero()[:, 0] for chosen in self.fg_bg_sampler(labels))
        sampled = torch.cat([positive, negative])
        truth, logits = torch.cat(labels)[sampled], objectness.flatten()[sampled]
        samples = RPN_SAMPLES * len(labels)
        classify = F.binary_cross_entropy_with_logits(logits, truth, reduction="sum") / samples
        targets = torch.cat(regression_targets)[positive]
        return classify, F.l1_loss(pred_bbox_deltas[positive], targets, reduction="sum") / samples


class RegionPredictor(nn.Module):
    """Class logits (background first) and class-specific box deltas of pooled region features (R, C)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(channels, classes + 1)
        self.bbox_pred = nn.Linear(channels, (classes + 1) * 4)
        nn.init.normal_(self.cls_score.weight, std=0.01)
        nn.init.normal_(self.bbox_pred.weight, std=0.001)
        nn.init.zeros_(self.cls_score.bias)
        nn.init.zeros_(self.bbox_pred.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(R, classes + 1) and (R, 4 (classes + 1))."""
        return self.cls_score(features), self.bbox_pred(features)


class RegionHeads(RoIHeads):
    """torchvision's region head with detectron2's L1 box loss.

    ``pool`` cuts what ``head`` takes out of the features, for lists of boxes; ``per_image`` regions are learnt from.
    """

    def __init__(
        self, pool: nn.Module, head: nn.Module, predictor: RegionPredictor, per_image: int, rules: DetectionRules
    ) -> None:
        super().__init__(
            pool,
            head,
            predictor,
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=per_image,
            positive_fraction=0.25,
            bbox_reg_weights=(10.0, 10.0, 5.0, 5.0),
            score_thresh=rules.score_threshold,
            nms_thresh=rules.nms_threshold,
            detections_per_img=rules.detections_per_image,
        )

    def forward(
        self, features: Any, proposals: list[Tensor], sizes: list[tuple[int, int]], targets: Targets | None = None
    ) -> tuple[list[Found], dict[str, Tensor]]:
        """Detections per image (testing) and losses (training) from the features that ``pool`` takes."""
        if not self.training:
            return self.found(features, proposals, sizes), {}
        proposals, _, labels, box_targets = self.select_training_samples(proposals, targets)
        return [], region_losses(*self.predict(features, proposals), torch.cat(labels), torch.cat(box_targets))

    def predict(self, features: Any, boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Class logits and deltas of all boxes, image after image; float32."""
        logits, deltas = self.box_predictor(self.box_head(self.box_roi_pool(features, boxes)))
        return logits.float(), deltas.float()

    def found(self, features: Any, proposals: list[Tensor], sizes: list[tuple[int, int]]) -> list[Found]:
        """Detections per image, in testing."""
        kept = self.postprocess_detections(*self.predict(features, proposals), proposals, sizes)
        return [{"boxes": b, "scores": s, "labels": c} for b, s, c in zip(*kept, strict=True)]


def region_losses(logits: Tensor, deltas: Tensor, labels: Tensor, box_targets: Tensor) -> dict[str, Tensor]:
    """Cross-entropy (R, K) against (R,), and L1 of the true class's deltas over positives, divided by all R."""
    positive = (labels > 0).nonzero()[:, 0]
    chosen = deltas.reshape(len(deltas), -1, 4)[positive, labels[positive]]
    box_loss = F.l1_loss(chosen, box_targets[positive], reduction="sum") / max(len(labels), 1)
    return {"loss_classifier": F.cross_entropy(logits, labels), "loss_box_reg": box_loss}
