"""Against detectron2 itself: the networks' tensors and features, the losses, the optimiser, the rate, precise BN."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from ground.backbones import build as build_net
from transfer.detection.precise_bn import renew
from transfer.detection.training import optimiser, rate
from transfer.tasks import resolve
from transfer.weights import load_backbone

pytest.importorskip("detectron2", reason="detectron2 is not importable")
SMALL = {
    "model": {
        "proposals": {"anchor_sizes": [32, 64], "anchor_ratios": [1.0], "pre_nms_test": 50, "post_nms_test": 5},
        "pool_size": 4,
        "rois_per_image": 512,
    },
    "threads": 1,
    "workers": 0,
}
PYRAMID = {"threads": 1, "workers": 0}
STAGES = ("layer1", "layer2", "layer3", "layer4")


def resolved(task):
    return resolve(task, SMALL if task == "voc_detection" else PYRAMID)


def build(config, weights, classes=20):
    from transfer.detection.detectron2 import model
    from transfer.detection.detectron2.config import detectron2_config

    cfg = detectron2_config(config, classes=classes, norm="BN", device="cpu", out=Path("out"), test="test")
    return model.build(config, cfg, weights)


@pytest.fixture(scope="module", params=["C4 of a ResNet-50", "FPN of a ResNet-50", "FPN of a ResNet-18"])
def network(request, resnet50, resnet18):
    """A task, its network in detectron2 and the backbone it was given."""
    config = resolved("voc_detection" if "C4" in request.param else "coco_detection")
    if "50" in request.param:
        return config, build(config, resnet50), resnet50
    config = config.model_copy(update={"model": config.model.model_copy(update={"backbone": "resnet18"})})
    return config, build(config, resnet18), resnet18


def test_every_backbone_tensor_has_a_place(network):
    from transfer.detection.names import renamed

    config, model, _ = network
    given = {renamed(name, config.model.kind) for name in build_net(config.model.backbone).state_dict()}
    owners = ("backbone.", "roi_heads.res5.") if config.layout == "voc" else ("backbone.bottom_up.",)
    held = {name for name in model.state_dict() if name.startswith(owners)}
    assert given <= held
    # MoCo's extra norm alone is new.
    assert {name.split(".")[2] for name in held - given} == ({"norm"} if config.layout == "voc" else set())


@torch.no_grad()
def test_the_same_weights_give_the_features_of_our_backbone(network):
    config, model, weights = network
    net = build_net(config.model.backbone).eval()
    load_backbone(net, weights)
    model.eval()
    images = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(4))
    ours = [net.maxpool(net.relu(net.bn1(net.conv1(images))))]
    for name in STAGES:
        ours.append(net.get_submodule(name)(ours[-1]))
    if config.layout == "voc":
        theirs = [model.backbone(images)["res4"]]
        theirs.append(model.roi_heads.res5[:3](theirs[0]))
    else:
        theirs = list(model.backbone.bottom_up(images).values())
    assert len(theirs) == (2 if config.layout == "voc" else 4)
    for mine, other in zip(ours[-len(theirs) :], theirs, strict=True):
        assert mine.abs().max() > 0.1
        assert torch.allclose(mine, other, rtol=1e-4, atol=1e-4 * mine.abs().max().item())


@torch.no_grad()
def test_channels_last_is_the_same_network(resnet50):
    config = resolved("voc_detection")
    plain, last = (build(config.model_copy(update={"channels_last": flag}), resnet50).eval() for flag in (False, True))
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    assert last.backbone.stem.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(plain.backbone(images)["res4"], last.backbone(images)["res4"], rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def pair(resnet50):
    """Both C4 detectors over the same backbone, the heads of detectron2's copied from torchvision's."""
    from transfer.detection import torchvision

    config = resolved("voc_detection")
    torch.manual_seed(1)
    ours, theirs = torchvision.build(config, resnet50, 20), build(config, resnet50)
    rpn, region = ours.proposals.head, ours.regions.box_predictor
    background_last = [*range(1, 21), 0]
    copies = {
        "proposal_generator.rpn_head.conv": rpn.conv[0][0].state_dict(),
        "proposal_generator.rpn_head.objectness_logits": rpn.cls_logits.state_dict(),
        "proposal_generator.rpn_head.anchor_deltas": rpn.bbox_pred.state_dict(),
        "roi_heads.box_predictor.cls_score": {k: v[background_last] for k, v in region.cls_score.state_dict().items()},
        "roi_heads.box_predictor.bbox_pred": {k: v[4:] for k, v in region.bbox_pred.state_dict().items()},
    }
    for place, state in copies.items():
        theirs.get_submodule(place).load_state_dict(state)
    return ours, theirs


def draw_batch():
    """Two images of 16 cells with 2 anchors each: fewer than the 256 sampled, so that nothing is left to chance."""
    torch.manual_seed(2)
    images = [torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8) for _ in range(2)]
    boxes = torch.tensor([[3.0, 5.0, 40.0, 37.0], [20.0, 10.0, 60.0, 62.0]])
    return images, [{"boxes": boxes[:n], "labels": torch.tensor([4, 20])[:n]} for n in (1, 2)]


def test_the_losses_agree(pair):
    from detectron2.structures import Boxes, Instances
    from detectron2.utils.events import EventStorage

    images, targets = draw_batch()
    inputs = []
    for image, target in zip(images, targets, strict=True):
        labelled = Instances(image.shape[1:], gt_boxes=Boxes(target["boxes"]), gt_classes=target["labels"] - 1)
        inputs.append({"image": image, "instances": labelled})
    ours = pair[0].train().losses(images, copy.deepcopy(targets))
    with EventStorage():
        theirs = pair[1].train()(inputs)
    names = {
        "loss_objectness": "loss_rpn_cls",
        "loss_rpn_box_reg": "loss_rpn_loc",
        "loss_classifier": "loss_cls",
        "loss_box_reg": "loss_box_reg",
    }
    assert ours["loss_box_reg"] > 0.001
    for mine, other in names.items():
        assert ours[mine].item() == pytest.approx(theirs[other].item(), rel=1e-4), mine


@torch.no_grad()
def test_the_detections_agree(pair):
    images, _ = draw_batch()
    for detector in pair:
        detector.eval()
    pair[0].regions.score_thresh = 0.0
    pair[1].roi_heads.box_predictor.test_score_thresh = 0.0
    ours = pair[0].detect(images[:1])[0]
    theirs = pair[1].inference([{"image": images[0]}], do_postprocess=False)[0]
    assert len(ours["scores"]) > 20
    assert torch.allclose(ours["scores"], theirs.scores, atol=1e-5)
    assert torch.allclose(ours["boxes"][:5], theirs.pred_boxes.tensor[:5], atol=1e-2)


@pytest.mark.parametrize("task", ["voc_detection", "coco_detection"])
def test_the_optimiser_and_its_rate_agree(pair, task):
    from detectron2.solver import build_lr_scheduler, build_optimizer

    from transfer.detection.detectron2.config import detectron2_config

    config = resolve(task, {})
    cfg = detectron2_config(config, classes=20, norm="BN", device="cpu", out=Path("out"), test="test")
    theirs = build_optimizer(cfg, pair[1])
    ours = optimiser(pair[1], config.schedule)
    decay = [
        {id(p): group["weight_decay"] for group in sgd.param_groups for p in group["params"]} for sgd in (ours, theirs)
    ]
    assert decay[0] == decay[1]
    assert ours.defaults["momentum"] == theirs.defaults["momentum"]
    scheduler = build_lr_scheduler(cfg, theirs)
    for iteration in range(config.schedule.iterations):
        if iteration < 150 or iteration % 1000 in (0, 999):
            assert rate(config.schedule, iteration) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-6)
        scheduler.step()


def test_precise_statistics_agree():
    from fvcore.nn.precise_bn import update_bn_stats

    torch.manual_seed(0)
    ours = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)).train()
    theirs = copy.deepcopy(ours)
    parts = [torch.randn(n, 2, 5, 5) * n + 1 for n in (1, 4, 2)]
    renew(ours, ours, parts)
    update_bn_stats(theirs, parts, len(parts))
    assert torch.allclose(ours[1].running_mean, theirs[1].running_mean, rtol=1e-5)
    assert torch.allclose(ours[1].running_var, theirs[1].running_var, rtol=1e-4)
