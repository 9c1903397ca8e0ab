"""The paper's detectors as detectron2 builds them, over a pre-trained backbone."""

from __future__ import annotations

from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.layers import get_norm
from detectron2.modeling import build_model
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, Res5ROIHeads
from torch import nn

from ground import backbones
from transfer.detection.names import renamed
from transfer.detection_config import DetectionTask
from transfer.weights import load_backbone


@ROI_HEADS_REGISTRY.register()
class Res5HeadsWithNorm(Res5ROIHeads):
    """detectron2's stage-4 head with one more norm behind it, as MoCo fine-tunes (PixCon ``train_net.py``)."""

    @classmethod
    def _build_res5_block(cls, cfg: CfgNode) -> tuple[nn.Sequential, int]:
        blocks, channels = super()._build_res5_block(cfg)
        blocks.add_module("norm", get_norm(cfg.MODEL.RESNETS.NORM, channels))
        return blocks, channels


def build(config: DetectionTask, cfg: CfgNode, weights: Path) -> nn.Module:
    """detectron2's network with the backbone of ``weights``; its heads drawn from torch's global generator.

    Raises:
        WeightsError: ``weights`` do not fit the backbone.
    """
    net = backbones.build(config.model.backbone)
    load_backbone(net, weights)
    model: nn.Module = build_model(cfg)
    held = model.state_dict()
    given = {renamed(name, config.model.kind): tensor for name, tensor in net.state_dict().items()}
    lost = [name for name in given if name not in held or given[name].shape != held[name].shape]
    if lost:
        raise RuntimeError(f"detectron2 has no place for {lost}")
    model.load_state_dict(given, strict=False)
    memory = torch.channels_last if config.channels_last else torch.contiguous_format
    return model.to(memory_format=memory)  # type: ignore[call-overload,no-any-return]  # torch's stub has no such form
