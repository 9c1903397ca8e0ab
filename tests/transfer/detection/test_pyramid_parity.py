"""Mask R-CNN against detectron2's: maps, anchors, losses, detections and masks of the same weights on the same images.

``fixtures/mask_rcnn.json`` holds what detectron2 computes with a ResNet-18; where detectron2 is importable it computes
it again, and with a ResNet-50. Written by ``python tests/transfer/detection/test_pyramid_parity.py REVISION`` with a
clone of that revision on PYTHONPATH.
"""

import copy
import json
import re
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as official

from ground.backbones import build as build_net
from transfer.detection.masks import pasted
from transfer.detection.names import renamed
from transfer.detection.pyramid import PyramidNetwork
from transfer.tasks import resolve

FIXTURE = Path(__file__).parent.parent / "fixtures" / "mask_rcnn.json"
DETECTRON2 = pytest.mark.skipif(find_spec("detectron2") is None, reason="detectron2 is not importable")
CLASSES = 80
SMALL = {
    "proposals": {"pre_nms_train": 60, "post_nms_train": 40, "pre_nms_test": 60, "post_nms_test": 20},
    "box_head": {"channels": 32, "hidden": 48},
    "mask_head": {"channels": 32},
    "channels": 32,
}
LOSSES = {
    "loss_objectness": "loss_rpn_cls",
    "loss_rpn_box_reg": "loss_rpn_loc",
    "loss_classifier": "loss_cls",
    "loss_box_reg": "loss_box_reg",
    "loss_mask": "loss_mask",
}
ALL_ANCHORS = 10**6
"""More than there are: with all of them sampled, and fewer regions than are sampled, nothing is left to chance."""


def settings(backbone):
    return resolve("coco_detection", {"model": {**SMALL, "backbone": backbone}, "test": {"score_threshold": 0.0}})


def our_model(config):
    """Weights are functions of their names and shapes, the same with every version of torch."""
    model = PyramidNetwork(config, build_net(config.model.backbone), CLASSES)
    for name, tensor in model.state_dict().items():
        draw = np.random.Generator(np.random.Philox(zlib.crc32(name.encode())))
        if name.endswith("num_batches_tracked"):
            continue
        norm = tensor.dim() == 1 and name.replace("weight", "running_var") in model.state_dict()
        if name.endswith("running_var") or norm:
            values = draw.uniform(0.5, 1.5, tensor.shape)
        elif tensor.dim() == 1:
            values = draw.normal(0, 0.1, tensor.shape)
        else:  # deltas are kept small: torchvision drops boxes under a hundredth of a pixel, detectron2 does not
            spread = 0.1 if "bbox_pred" in name else 1.0
            values = draw.normal(0, spread * tensor[0].numel() ** -0.5, tensor.shape)
        tensor.copy_(torch.from_numpy(values))
    model.proposals.fg_bg_sampler.batch_size_per_image = ALL_ANCHORS
    model.proposals.fg_bg_sampler.positive_fraction = 1.0
    return model


def their_model(config):
    """detectron2's Mask R-CNN under the paper's config, narrowed as the task is."""
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    model, cfg, stages = config.model, get_cfg(), ["res2", "res3", "res4", "res5"]
    options = {
        "DEVICE": "cpu", "MASK_ON": True, "PIXEL_MEAN": list(config.pixel_mean), "PIXEL_STD": list(config.pixel_std),
        "BACKBONE.FREEZE_AT": 0, "BACKBONE.NAME": "build_resnet_fpn_backbone", "RESNETS.OUT_FEATURES": stages,
        "RESNETS.STRIDE_IN_1X1": False, "RESNETS.NORM": "BN", "RESNETS.DEPTH": int(model.backbone[len("resnet"):]),
        "RESNETS.RES2_OUT_CHANNELS": 64 if model.backbone == "resnet18" else 256,
        "FPN.IN_FEATURES": stages, "FPN.NORM": "BN", "FPN.OUT_CHANNELS": model.channels,
        "ANCHOR_GENERATOR.SIZES": [[size] for size in model.proposals.anchor_sizes],
        "RPN.IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"],
        "RPN.PRE_NMS_TOPK_TRAIN": model.proposals.pre_nms_train, "RPN.PRE_NMS_TOPK_TEST": model.proposals.pre_nms_test,
        "RPN.POST_NMS_TOPK_TRAIN": model.proposals.post_nms_train,
        "RPN.POST_NMS_TOPK_TEST": model.proposals.post_nms_test,
        "ROI_HEADS.NAME": "StandardROIHeads", "ROI_HEADS.IN_FEATURES": ["p2", "p3", "p4", "p5"],
        "ROI_HEADS.SCORE_THRESH_TEST": config.test.score_threshold,
        "ROI_BOX_HEAD.NAME": "FastRCNNConvFCHead", "ROI_BOX_HEAD.NUM_CONV": 4, "ROI_BOX_HEAD.NUM_FC": 1,
        "ROI_BOX_HEAD.NORM": "BN", "ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
        "ROI_BOX_HEAD.CONV_DIM": model.box_head.channels, "ROI_BOX_HEAD.FC_DIM": model.box_head.hidden,
        "ROI_MASK_HEAD.NAME": "MaskRCNNConvUpsampleHead", "ROI_MASK_HEAD.NUM_CONV": 4, "ROI_MASK_HEAD.NORM": "BN",
        "ROI_MASK_HEAD.POOLER_RESOLUTION": 14, "ROI_MASK_HEAD.CONV_DIM": model.mask_head.channels,
    }  # fmt: skip
    cfg.merge_from_list([part for name, value in options.items() for part in (f"MODEL.{name}", value)])
    theirs = build_model(cfg)
    theirs.proposal_generator.batch_size_per_image = ALL_ANCHORS
    theirs.proposal_generator.positive_fraction = 1.0
    return theirs


def with_weights_of(ours, theirs):
    named = their_names(ours.state_dict())
    assert set(named) == {name for name in theirs.state_dict() if name not in ("pixel_mean", "pixel_std")}
    theirs.load_state_dict(named, strict=False)
    return theirs


NAMES = (
    (r"pyramid\.stem\.0\.", "backbone.bottom_up.stem.conv1."),
    (r"pyramid\.stem\.1\.", "backbone.bottom_up.stem.conv1.norm."),
    (r"pyramid\.merge\.inner_blocks\.(\d)\.0\.", lambda m: f"backbone.fpn_lateral{int(m[1]) + 2}."),
    (r"pyramid\.merge\.inner_blocks\.(\d)\.1\.", lambda m: f"backbone.fpn_lateral{int(m[1]) + 2}.norm."),
    (r"pyramid\.merge\.layer_blocks\.(\d)\.0\.", lambda m: f"backbone.fpn_output{int(m[1]) + 2}."),
    (r"pyramid\.merge\.layer_blocks\.(\d)\.1\.", lambda m: f"backbone.fpn_output{int(m[1]) + 2}.norm."),
    (r"proposals\.head\.conv\.0\.0\.", "proposal_generator.rpn_head.conv."),
    (r"proposals\.head\.cls_logits\.", "proposal_generator.rpn_head.objectness_logits."),
    (r"proposals\.head\.bbox_pred\.", "proposal_generator.rpn_head.anchor_deltas."),
    (r"regions\.box_head\.5\.", "roi_heads.box_head.fc1."),
    (r"regions\.box_head\.(\d)\.0\.", lambda m: f"roi_heads.box_head.conv{int(m[1]) + 1}."),
    (r"regions\.box_head\.(\d)\.1\.", lambda m: f"roi_heads.box_head.conv{int(m[1]) + 1}.norm."),
    (r"regions\.mask_layers\.0\.(\d)\.0\.", lambda m: f"roi_heads.mask_head.mask_fcn{int(m[1]) + 1}."),
    (r"regions\.mask_layers\.0\.(\d)\.1\.", lambda m: f"roi_heads.mask_head.mask_fcn{int(m[1]) + 1}.norm."),
    (r"regions\.mask_layers\.1\.", "roi_heads.mask_head.deconv."),
    (r"regions\.mask_layers\.3\.", "roi_heads.mask_head.predictor."),
    (r"regions\.box_predictor\.", "roi_heads.box_predictor."),
)


def their_names(state):
    """Our tensors by detectron2's names; its background is the last class and has no box."""
    found = {}
    for name, tensor in state.items():
        if stage := re.match(r"pyramid\.stages\.(\d)\.", name):
            place = renamed(f"layer{int(stage[1]) + 1}.{name[stage.end() :]}", "mask_rcnn_fpn")
        else:
            pattern, other = next(pair for pair in NAMES if re.match(pair[0], name))
            place = re.sub(pattern, other, name)
        if "cls_score" in name:
            tensor = torch.cat([tensor[1:], tensor[:1]])
        found[place] = tensor[4:] if "box_predictor.bbox_pred" in name else tensor
    return found


def draw_batch():
    """Two images of 96x64 and 64x90 pixels with one and two objects, one of them in two pieces."""
    draw = np.random.Generator(np.random.Philox(2))
    images = [torch.from_numpy(draw.integers(0, 255, (3, *size), dtype=np.uint8)) for size in ((96, 64), (64, 90))]
    boxes = torch.tensor([[3.0, 5.0, 40.0, 37.5], [20.0, 10.0, 60.0, 62.0]])
    rings = [[3.0, 5.0, 40.0, 5.0, 22.5, 37.5], [20.0, 10.0, 60.0, 12.0, 58.0, 62.0, 25.0, 60.0]]
    outlines = [[np.array(ring)] for ring in rings]
    outlines[1].append(np.array([30.0, 15.0, 33.0, 15.0, 33.0, 29.5]))
    labels = torch.tensor([4, 80])
    return images, [{"boxes": boxes[:n], "labels": labels[:n], "polygons": outlines[:n]} for n in (1, 2)]


def summary(maps, anchors, losses, found, packed):
    """What is compared: of every map and of all anchors some numbers, the losses, the first detections, their masks."""
    some = [each.flatten()[:: max(1, each.numel() // 40)].tolist() for each in [*maps, anchors]]
    first = {name: found[name][:10].tolist() for name in ("boxes", "scores", "labels")}
    first["masks"] = found["masks"][:10, ::7, ::7].tolist()
    packed = [each["counts"] for each in packed]
    return {"maps": some[:5], "anchors": some[5], "losses": losses, **first, "packed": packed}


@torch.no_grad()
def our_summary(ours):
    images, targets = draw_batch()
    losses = copy.deepcopy(ours).train().losses(images, targets)
    ours.eval()
    batch = ours.inputs(images)
    maps = ours.pyramid(batch.tensors)
    anchors = ours.proposals.anchor_generator(batch, maps)[0]
    found = ours.detect(images[:1])[0]
    packed = pasted(found["masks"][:10], found["boxes"][:10], 96, 64)
    return summary(maps, anchors, {name: loss.item() for name, loss in losses.items()}, found, packed)


@torch.no_grad()
def their_summary(theirs):
    from detectron2.layers.mask_ops import paste_masks_in_image
    from detectron2.structures import Boxes, Instances, PolygonMasks
    from detectron2.utils.events import EventStorage

    images, targets = draw_batch()
    inputs = []
    for image, target in zip(images, targets, strict=True):
        instances = Instances(tuple(image.shape[1:]))
        instances.gt_boxes, instances.gt_classes = Boxes(target["boxes"]), target["labels"] - 1
        instances.gt_masks = PolygonMasks([[ring.copy() for ring in rings] for rings in target["polygons"]])
        inputs.append({"image": image, "instances": instances})
    with EventStorage():
        losses = copy.deepcopy(theirs).train()(inputs)
    # Both divide by the anchors asked for: detectron2 by those of the setting, ours always by the paper's 256.
    factor = {"loss_rpn_cls": ALL_ANCHORS / 256, "loss_rpn_loc": ALL_ANCHORS / 256}
    numbers = {mine: losses[other].item() * factor.get(other, 1) for mine, other in LOSSES.items()}
    theirs.eval()
    maps = list(theirs.backbone(theirs.preprocess_image(inputs).tensor).values())
    anchors = torch.cat([each.tensor for each in theirs.proposal_generator.anchor_generator(maps)])
    [other] = theirs.inference(inputs[:1], do_postprocess=False)
    masks = other.pred_masks[:, 0]
    found = {"boxes": other.pred_boxes.tensor, "scores": other.scores, "labels": other.pred_classes + 1, "masks": masks}
    whole = paste_masks_in_image(masks[:10], other.pred_boxes[:10], (96, 64))
    packed = official.encode(np.asfortranarray(whole.permute(1, 2, 0).numpy().astype(np.uint8)))
    packed = [{"counts": each["counts"].decode()} for each in packed]
    return summary(maps, anchors, numbers, found, packed)


LIMITS = {
    "map": (1e-4, 0), "anchors": (1e-4, 0), "loss": (0, 1e-4), "labels": (0, 0), "scores": (1e-5, 1e-5),
    "boxes": (1e-2, 1e-5), "masks": (1e-4, 1e-5), "packed": (1e-3, 0),
}  # fmt: skip
"""How far from detectron2's: absolutely, and as a share of the value. Of a thousand packed pixels one may lie on the
threshold."""


def by_name(numbers):
    """Name → values: maps and losses each under a name of its own, the packed masks pixel by pixel."""
    maps = {f"map {number}": level for number, level in enumerate(numbers["maps"])}
    losses = {f"loss {name}": loss for name, loss in numbers["losses"].items()}
    packed = np.stack([official.decode({"size": [96, 64], "counts": counts}) for counts in numbers["packed"]])
    return {name: numbers[name] for name in LIMITS if name in numbers} | maps | losses | {"packed": packed}


def differences(mine, theirs):
    """What is beyond its limit from detectron2's: name → greatest difference, for packed masks the share of pixels."""
    ours, theirs = by_name(mine), by_name(theirs)
    assert ours.keys() == theirs.keys()
    assert 0.02 < theirs["packed"].mean() < 0.98
    assert min(loss for name, loss in theirs.items() if name.startswith("loss")) > 1e-3
    found = {}
    for name, other in theirs.items():
        absolute, relative = LIMITS[name.partition(" ")[0]]
        off = np.abs(np.subtract(ours[name], other, dtype=float))
        off = off.mean() if name == "packed" else off
        if not (off <= absolute + relative * np.abs(other)).all():
            found[name] = float(off.max())
    return found


def test_a_resnet18_computes_what_detectron2_computed():
    theirs = json.loads(FIXTURE.read_text())["numbers"]
    assert differences(our_summary(our_model(settings("resnet18"))), theirs) == {}


@DETECTRON2
@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_detectron2_computes_the_same(backbone):
    ours = our_model(settings(backbone))
    theirs = their_summary(with_weights_of(ours, their_model(settings(backbone))))
    assert differences(our_summary(ours), theirs) == {}


@DETECTRON2
def test_initial_values_are_drawn_from_the_same_distributions():
    """The standard deviation of every tensor of pyramid and heads, over six draws."""
    config, drawn = settings("resnet18"), []
    for _ in range(6):
        ours = PyramidNetwork(config, build_net("resnet18"), CLASSES)
        drawn.append((their_names(ours.state_dict()), their_model(config).state_dict()))
    for name in (name for name in drawn[0][0] if "bottom_up" not in name):
        mine, other = (torch.cat([each[side][name].float().flatten() for each in drawn]) for side in (0, 1))
        assert mine.std(correction=0) == pytest.approx(other.std(correction=0).item(), rel=0.1, abs=1e-7), name


if __name__ == "__main__":
    model = our_model(settings("resnet18"))
    numbers = their_summary(with_weights_of(model, their_model(settings("resnet18"))))
    FIXTURE.write_text(json.dumps({"detectron2": sys.argv[1], "numbers": numbers}) + "\n")
