"""A detection task as detectron2's own config.

Source of the protocols: pangzss/PixCon, ``pascal_voc_R_50_C4_24k_moco.yaml`` and ``coco_R_50_FPN_1x_moco.yaml`` in
``configs/benchmarks/detectron2`` with their bases.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detectron2.config import CfgNode, get_cfg

from transfer.detection_config import DetectionTask, PyramidDetector, RegionDetector, of_kind

_MAPS = ["p2", "p3", "p4", "p5", "p6"]
_STAGES = ["res2", "res3", "res4", "res5"]


def detectron2_config(config: DetectionTask, *, classes: int, norm: str, device: str, out: Path, test: str) -> CfgNode:
    """detectron2's config of the task, frozen.

    Args:
        config: the task.
        classes: how many there are to tell apart.
        norm: of backbone and heads, ``BN`` in one process, where it sees the whole batch as the protocol's SyncBN does.
        device: torch's name of it.
        out: folder of detectron2's checkpoints.
        test: name of the registered data set to test on; the one to train on is handed over in memory.
    """
    settings = _model(config, classes, norm) | _solver(config) | _input(config)
    settings |= {
        "MODEL.DEVICE": device,
        "DATASETS.TRAIN": [],
        "DATASETS.TEST": [test],
        "DATALOADER.NUM_WORKERS": config.workers,
        # Batches come from our sampler in groups of one aspect: detectron2's own grouping cannot be resumed.
        "DATALOADER.ASPECT_RATIO_GROUPING": False,
        "OUTPUT_DIR": str(out),
    }
    cfg = get_cfg()
    cfg.merge_from_list([part for name, value in settings.items() for part in (name, value)])
    cfg.freeze()
    return cfg


def _model(config: DetectionTask, classes: int, norm: str) -> dict[str, Any]:
    model, proposals, test = config.model, config.model.proposals, config.test
    common: dict[str, Any] = {
        "META_ARCHITECTURE": "GeneralizedRCNN",
        "WEIGHTS": "",  # the backbone is handed over in memory
        "PIXEL_MEAN": list(config.pixel_mean),
        "PIXEL_STD": list(config.pixel_std),
        "BACKBONE.FREEZE_AT": 0,
        "RESNETS.DEPTH": {"resnet50": 50, "resnet18": 18}[model.backbone],
        "RESNETS.RES2_OUT_CHANNELS": {"resnet50": 256, "resnet18": 64}[model.backbone],
        "RESNETS.NORM": norm,
        "RESNETS.STRIDE_IN_1X1": False,
        "ANCHOR_GENERATOR.ASPECT_RATIOS": [list(proposals.anchor_ratios)],
        "RPN.PRE_NMS_TOPK_TRAIN": proposals.pre_nms_train,
        "RPN.POST_NMS_TOPK_TRAIN": proposals.post_nms_train,
        "RPN.PRE_NMS_TOPK_TEST": proposals.pre_nms_test,
        "RPN.POST_NMS_TOPK_TEST": proposals.post_nms_test,
        "ROI_HEADS.NUM_CLASSES": classes,
        "ROI_HEADS.BATCH_SIZE_PER_IMAGE": model.rois_per_image,
        "ROI_HEADS.SCORE_THRESH_TEST": test.score_threshold,
        "ROI_HEADS.NMS_THRESH_TEST": test.nms_threshold,
    }
    own = _c4(config) if model.kind == "faster_rcnn_c4" else _pyramid(config, norm)
    return {f"MODEL.{name}": value for name, value in {**common, **own}.items()}


def _c4(config: DetectionTask) -> dict[str, Any]:
    """Faster R-CNN "C4"."""
    model = of_kind(config, RegionDetector)
    return {
        "MASK_ON": False,
        "ANCHOR_GENERATOR.SIZES": [list(model.proposals.anchor_sizes)],
        "ROI_HEADS.NAME": "Res5HeadsWithNorm" if model.extra_norm else "Res5ROIHeads",
        "ROI_BOX_HEAD.POOLER_RESOLUTION": model.pool_size,
    }


def _pyramid(config: DetectionTask, norm: str) -> dict[str, Any]:
    """Mask R-CNN "FPN"."""
    model = of_kind(config, PyramidDetector)
    return {
        "MASK_ON": True,
        "BACKBONE.NAME": "build_resnet_fpn_backbone",
        "RESNETS.OUT_FEATURES": _STAGES,
        "FPN.IN_FEATURES": _STAGES,
        "FPN.OUT_CHANNELS": model.channels,
        "FPN.NORM": norm,
        "ANCHOR_GENERATOR.SIZES": [[size] for size in model.proposals.anchor_sizes],
        "RPN.IN_FEATURES": _MAPS,
        "ROI_HEADS.NAME": "StandardROIHeads",
        "ROI_HEADS.IN_FEATURES": _MAPS[:4],
        "ROI_BOX_HEAD.NAME": "FastRCNNConvFCHead",
        "ROI_BOX_HEAD.POOLER_RESOLUTION": model.box_head.pool_size,
        "ROI_BOX_HEAD.NUM_CONV": model.box_head.convs,
        "ROI_BOX_HEAD.CONV_DIM": model.box_head.channels,
        "ROI_BOX_HEAD.NUM_FC": 1,
        "ROI_BOX_HEAD.FC_DIM": model.box_head.hidden,
        "ROI_BOX_HEAD.NORM": norm,
        "ROI_MASK_HEAD.NAME": "MaskRCNNConvUpsampleHead",
        "ROI_MASK_HEAD.POOLER_RESOLUTION": model.mask_head.pool_size,
        "ROI_MASK_HEAD.NUM_CONV": model.mask_head.convs,
        "ROI_MASK_HEAD.CONV_DIM": model.mask_head.channels,
        "ROI_MASK_HEAD.NORM": norm,
    }


def _solver(config: DetectionTask) -> dict[str, Any]:
    schedule = config.schedule
    return {
        "SOLVER.LR_SCHEDULER_NAME": "WarmupMultiStepLR",
        "SOLVER.MAX_ITER": schedule.iterations,
        "SOLVER.IMS_PER_BATCH": schedule.batch,
        "SOLVER.BASE_LR": schedule.base_lr,
        "SOLVER.STEPS": list(schedule.steps),
        "SOLVER.GAMMA": schedule.gamma,
        "SOLVER.WARMUP_ITERS": schedule.warmup_iterations,
        "SOLVER.WARMUP_FACTOR": schedule.warmup_factor,
        "SOLVER.MOMENTUM": schedule.momentum,
        "SOLVER.WEIGHT_DECAY": schedule.weight_decay,
        "SOLVER.WEIGHT_DECAY_NORM": schedule.weight_decay_norm,
        "SOLVER.CHECKPOINT_PERIOD": config.checkpoint_every,
        "SOLVER.AMP.ENABLED": config.precision != "fp32",
        "TEST.PRECISE_BN.ENABLED": schedule.precise_bn_iterations > 0,
        "TEST.PRECISE_BN.NUM_ITER": schedule.precise_bn_iterations,
        "TEST.DETECTIONS_PER_IMAGE": config.test.detections_per_image,
    }


def _input(config: DetectionTask) -> dict[str, Any]:
    sizes = config.input
    return {
        "INPUT.FORMAT": "RGB",
        "INPUT.MIN_SIZE_TRAIN": list(sizes.train_short),
        "INPUT.MAX_SIZE_TRAIN": sizes.train_max,
        "INPUT.MIN_SIZE_TEST": sizes.test_short,
        "INPUT.MAX_SIZE_TEST": sizes.test_max,
    }
