"""The paper's detector built by detectron2 itself, trained by our loop.

detectron2 gives the network, its sampling and its losses. The loop stays ours, and does what its ``DefaultTrainer``
does under the paper's config (SGD, ``WarmupMultiStepLR``, ``PreciseBN``; the tests compare each): detectron2's samplers
do not fast-forward, so its own loop could not resume in the same bits, and its augmentation depends on the workers.

Source of the config: pangzss/PixCon, ``pascal_voc_R_50_C4_24k_moco.yaml`` in ``configs/benchmarks/detectron2`` and its
bases.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.layers import get_norm
from detectron2.modeling import build_model
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, Res5ROIHeads
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from ground import backbones
from transfer.detection.detector import Detector, Found, Targets
from transfer.detection.names import renamed
from transfer.detection_config import DetectionTask, RegionDetector, of_kind
from transfer.weights import load_backbone


@ROI_HEADS_REGISTRY.register()
class Res5HeadsWithNorm(Res5ROIHeads):
    """detectron2's stage-4 head with one more norm behind it, as MoCo fine-tunes (PixCon ``train_net.py``)."""

    @classmethod
    def _build_res5_block(cls, cfg: CfgNode) -> tuple[nn.Sequential, int]:
        blocks, channels = super()._build_res5_block(cfg)
        blocks.add_module("norm", get_norm(cfg.MODEL.RESNETS.NORM, channels))
        return blocks, channels


def build(config: DetectionTask, weights: Path, classes: int) -> Detector:
    """detectron2's Faster R-CNN over a pre-trained backbone; its heads drawn from torch's global generator.

    Raises:
        WeightsError: ``weights`` do not fit the backbone.
    """
    net = backbones.build(config.model.backbone)
    load_backbone(net, weights)
    model = build_model(detectron2_config(config, classes))
    converted = {renamed(name): tensor for name, tensor in net.state_dict().items()}
    lost = converted.keys() - model.state_dict().keys()
    if lost:
        raise RuntimeError(f"detectron2 has no place for {sorted(lost)}")
    model.load_state_dict(converted, strict=False)
    return Detectron2Detector(model, config.channels_last)


def detectron2_config(config: DetectionTask, classes: int) -> CfgNode:
    """The model half of detectron2's config. One process sees the whole batch, so BN here is the paper's SyncBN."""
    model, test = of_kind(config, RegionDetector), config.test
    proposals = model.proposals
    settings: dict[str, Any] = {
        "DEVICE": "cpu",  # moved by the caller
        "META_ARCHITECTURE": "GeneralizedRCNN",
        "MASK_ON": False,
        "PIXEL_MEAN": list(config.pixel_mean),
        "PIXEL_STD": list(config.pixel_std),
        "BACKBONE.FREEZE_AT": 0,
        "RESNETS.DEPTH": 50,
        "RESNETS.NORM": "BN",
        "RESNETS.STRIDE_IN_1X1": False,
        "ANCHOR_GENERATOR.SIZES": [list(proposals.anchor_sizes)],
        "ANCHOR_GENERATOR.ASPECT_RATIOS": [list(proposals.anchor_ratios)],
        "RPN.PRE_NMS_TOPK_TRAIN": proposals.pre_nms_train,
        "RPN.POST_NMS_TOPK_TRAIN": proposals.post_nms_train,
        "RPN.PRE_NMS_TOPK_TEST": proposals.pre_nms_test,
        "RPN.POST_NMS_TOPK_TEST": proposals.post_nms_test,
        "ROI_HEADS.NAME": "Res5HeadsWithNorm" if model.extra_norm else "Res5ROIHeads",
        "ROI_HEADS.NUM_CLASSES": classes,
        "ROI_HEADS.BATCH_SIZE_PER_IMAGE": model.rois_per_image,
        "ROI_HEADS.SCORE_THRESH_TEST": test.score_threshold,
        "ROI_HEADS.NMS_THRESH_TEST": test.nms_threshold,
        "ROI_BOX_HEAD.POOLER_RESOLUTION": model.pool_size,
    }
    cfg = get_cfg()
    cfg.merge_from_list([part for name, value in settings.items() for part in (f"MODEL.{name}", value)])
    cfg.TEST.DETECTIONS_PER_IMAGE = test.detections_per_image
    return cfg


class Detectron2Detector(Detector):
    """A ``GeneralizedRCNN`` behind the interface of ours."""

    def __init__(self, model: nn.Module, channels_last: bool) -> None:
        super().__init__()
        self.model = model
        memory = torch.channels_last if channels_last else torch.contiguous_format
        self.to(memory_format=memory)  # type: ignore[call-overload]  # torch's stub leaves this form out

    def losses(self, images: list[Tensor], targets: Targets) -> dict[str, Tensor]:
        """``loss_rpn_cls``, ``loss_rpn_loc``, ``loss_cls``, ``loss_box_reg``."""
        inputs = []
        for image, target in zip(images, targets, strict=True):
            instances = Instances((image.shape[1], image.shape[2]))
            instances.gt_boxes = Boxes(target["boxes"])
            instances.gt_classes = target["labels"] - 1
            inputs.append({"image": image, "instances": instances})
        with EventStorage():  # detectron2 logs into one wherever it computes a loss
            losses: dict[str, Tensor] = self.model(inputs)
        return losses

    def detect(self, images: list[Tensor]) -> list[Found]:
        """Boxes, scores and labels per image."""
        found = self.model.inference([{"image": image} for image in images], do_postprocess=False)  # type: ignore[operator]
        return [{"boxes": f.pred_boxes.tensor, "scores": f.scores, "labels": f.pred_classes + 1} for f in found]
