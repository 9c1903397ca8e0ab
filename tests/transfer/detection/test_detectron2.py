"""Against detectron2 itself, where it is importable: the network, the losses, the optimiser, the rate, precise BN."""

import copy

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ground.backbones import build as build_net
from ground.progress import silent
from transfer.detection.precise_bn import renew
from transfer.detection.training import optimiser, rate
from transfer.run import run
from transfer.tasks import resolve

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


@pytest.fixture(scope="module")
def resnet50(tmp_path_factory):
    torch.manual_seed(0)
    net = build_net("resnet50")
    for name, tensor in net.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_()
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    path = tmp_path_factory.mktemp("weights") / "resnet50.safetensors"
    save_file(dict(net.state_dict()), path)
    return path


@pytest.fixture(scope="module")
def pair(resnet50):
    """Both detectors over the same backbone, the heads of detectron2's copied from torchvision's."""
    from transfer.detection import detectron2, torchvision

    config = resolve("voc_detection", SMALL)
    torch.manual_seed(1)
    ours, theirs = (tool.build(config, resnet50, 20) for tool in (torchvision, detectron2))
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
        theirs.model.get_submodule(place).load_state_dict(state)
    return ours, theirs


def draw_batch():
    """Two images of 16 cells with 2 anchors each: fewer than the 256 sampled, so that nothing is left to chance."""
    torch.manual_seed(2)
    images = [torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8) for _ in range(2)]
    boxes = torch.tensor([[3.0, 5.0, 40.0, 37.0], [20.0, 10.0, 60.0, 62.0]])
    return images, [{"boxes": boxes[:n], "labels": torch.tensor([4, 20])[:n]} for n in (1, 2)]


def test_every_backbone_tensor_has_a_place(pair, resnet50):
    from transfer.detection.names import renamed

    held = {name for name in pair[1].model.state_dict() if name.startswith(("backbone.", "roi_heads.res5."))}
    given = {renamed(name) for name in build_net("resnet50").state_dict()}
    assert {name.split(".")[2] for name in held - given} == {"norm"}  # MoCo's extra norm alone is new


def test_the_losses_agree(pair):
    images, targets = draw_batch()
    ours, theirs = (detector.train().losses(images, copy.deepcopy(targets)) for detector in pair)
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
    pair[1].model.roi_heads.box_predictor.test_score_thresh = 0.0
    ours, theirs = (detector.detect(images[:1])[0] for detector in pair)
    assert len(ours["scores"]) > 20
    assert torch.allclose(ours["scores"], theirs["scores"], atol=1e-5)
    assert torch.allclose(ours["boxes"][:5], theirs["boxes"][:5], atol=1e-2)


def solver(config, iterations):
    from detectron2.config import get_cfg

    cfg = get_cfg()
    cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_ITER = config.schedule.base_lr, iterations
    cfg.SOLVER.STEPS, cfg.SOLVER.WARMUP_ITERS = config.schedule.steps, config.schedule.warmup_iterations
    return cfg


def test_the_optimiser_and_its_rate_agree(pair):
    from detectron2.solver import build_lr_scheduler, build_optimizer

    config = resolve("voc_detection", {})
    cfg = solver(config, config.schedule.iterations)
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


def test_a_run_repeats_and_resumes_in_the_same_bits(tiny, voc_root, resnet50, tmp_path):
    config = tiny.model_copy(update={"model": tiny.model.model_copy(update={"backbone": "resnet50"})})
    arguments = {"tool": "detectron2", "seed": 0, "weights": resnet50, "data": voc_root}

    def die(step, total, **numbers):
        if step == 3:
            raise KeyboardInterrupt

    run(config, out=tmp_path / "straight", report=silent, **arguments)
    with pytest.raises(KeyboardInterrupt):
        run(config, out=tmp_path / "killed", report=die, **arguments)
    run(config, out=tmp_path / "killed", report=silent, **arguments)
    found = (tmp_path / "straight" / "detections.json").read_bytes()
    assert len(found) > 100
    assert (tmp_path / "killed" / "detections.json").read_bytes() == found
