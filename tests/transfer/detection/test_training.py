"""A detector's rates, losses, weight decay and precise statistics."""

import math

import pytest
import torch
from torch import nn

from ground.backbones import build
from ground.errors import DivergedError
from ground.progress import silent
from transfer.detection.heads import region_losses
from transfer.detection.precise_bn import renew
from transfer.detection.torchvision import TorchvisionDetector
from transfer.detection.training import Trainer, optimiser, rate
from transfer.layouts import voc
from transfer.tasks import resolve


@pytest.mark.parametrize(
    ("iteration", "expected"),
    [
        (0, 2e-5),
        (50, 0.02 * 0.5005),
        (99, 0.02 * (1 - 0.01 * 0.999)),
        (100, 0.02),
        (17999, 0.02),
        (18000, 2e-3),
        (22000, 2e-4),
    ],
)
def test_the_rate_follows_the_papers_schedule(iteration, expected):
    assert math.isclose(rate(resolve("voc_detection", {}).schedule, iteration), expected, rel_tol=1e-9)


def test_norms_have_their_own_weight_decay(tiny):
    net = build("resnet10_w32")
    rest, norms = optimiser(net, tiny.schedule).param_groups
    assert (rest["weight_decay"], norms["weight_decay"]) == (1e-4, 0)
    assert all(parameter.dim() == 1 for parameter in norms["params"])
    assert len(rest["params"]) + len(norms["params"]) == len(list(net.parameters()))


def test_the_whole_backbone_is_trained(tiny):
    model = TorchvisionDetector(tiny, build("resnet10_w32"), 20).train()
    images = [torch.randint(0, 255, (3, 48, 64), dtype=torch.uint8) for _ in range(2)]
    targets = [{"boxes": torch.tensor([[4.0, 4.0, 30.0, 30.0]]), "labels": torch.tensor([3])}] * 2
    losses = model.losses(images, targets)
    assert set(losses) == {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"}
    torch.stack(list(losses.values())).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_region_losses_are_those_worked_out_by_hand():
    logits = torch.zeros(4, 3)
    deltas = torch.zeros(4, 12)
    deltas[1, 4:8] = torch.tensor([1.0, -2.0, 0.5, 0.0])  # row 1 is of class 1
    losses = region_losses(logits, deltas, torch.tensor([0, 1, 0, 2]), torch.ones(4, 4))
    assert losses["loss_classifier"].item() == pytest.approx(math.log(3))
    assert losses["loss_box_reg"].item() == pytest.approx((0 + 3 + 0.5 + 1 + 4) / 4)


def test_padding_does_not_move_an_image(tiny):
    model = TorchvisionDetector(tiny, build("resnet10_w32"), 20)
    batch = model.inputs([torch.full((3, 40, 60), 7, dtype=torch.uint8), torch.zeros(3, 33, 30, dtype=torch.uint8)])
    assert batch.tensors.shape == (2, 3, 48, 64)
    assert batch.image_sizes == [(40, 60), (33, 30)]
    assert torch.allclose(
        batch.tensors[0, :, 39, 59], (7 - torch.tensor(tiny.pixel_mean)) / torch.tensor(tiny.pixel_std)
    )
    assert not batch.tensors[0, :, 40:].any()


def test_precise_statistics_are_those_of_all_positions():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)).train()
    parts = [torch.randn(n, 2, 5, 5) * n + 40 for n in (1, 4, 2)]
    renew(model, model, parts)
    values = model[0](torch.cat(parts)).detach()
    assert torch.allclose(model[1].running_mean, values.mean((0, 2, 3)), rtol=1e-5)
    assert torch.allclose(model[1].running_var, values.var((0, 2, 3), correction=0), rtol=1e-4)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("regions.box_predictor.cls_score.bias", r"loss_classifier nan"),
        ("stages.0.weight", r"loss_objectness nan, loss_rpn_box_reg nan"),
    ],
)
def test_a_loss_that_is_not_finite_stops_with_iteration_and_images(tiny, voc_root, backbone, tmp_path, place, message):
    model = TorchvisionDetector(tiny, build("resnet10_w32"), 20)
    with torch.no_grad():
        model.get_parameter(place).fill_(math.inf)
    trainer = Trainer(tiny, model, 0, backbone, torch.device("cpu"), tmp_path, silent, 1)
    with pytest.raises(DivergedError, match=rf"iteration 1: .*{message}.* on images 0000\d\d, 0000\d\d\. Lower"):
        trainer.fit(voc.read_all(voc.listed(voc_root, "VOC2007/trainval")))
    assert not (tmp_path / "checkpoint.pt").exists()
