"""A backbone of ours is loaded whole or not at all."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from ground.backbones import build
from ground.errors import WeightsError
from transfer.weights import load_backbone


def test_every_tensor_loads(backbone):
    net = build("resnet10_w32")
    load_backbone(net, backbone)
    saved = load_file(backbone)
    assert len(saved) > 20
    assert all(torch.equal(tensor, saved[name]) for name, tensor in net.state_dict().items())


def test_batch_norm_counters_are_optional(backbone, tmp_path):
    tensors = {name: t for name, t in load_file(backbone).items() if not name.endswith("num_batches_tracked")}
    save_file(tensors, tmp_path / "without.safetensors")
    net = build("resnet10_w32")
    load_backbone(net, tmp_path / "without.safetensors")
    assert torch.equal(net.conv1.weight, tensors["conv1.weight"])


def lose(tensors):
    del tensors["layer2.0.conv1.weight"]


def add(tensors):
    tensors["fc.weight"] = torch.zeros(3)


def reshape(tensors):
    tensors["conv1.weight"] = torch.zeros(64, 3, 7, 7)


def poison(tensors):
    tensors["bn1.weight"][0] = torch.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lose, r"lacks tensor `layer2.0.conv1.weight`\. Set `model.backbone`"),
        (add, r"has the unexpected tensor `fc.weight`"),
        (reshape, r"`conv1.weight` is 64x3x7x7 where the network has 32x3x7x7"),
        (poison, r"`bn1.weight` holds values that are not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(backbone, tmp_path, change, message):
    tensors = load_file(backbone)
    change(tensors)
    save_file(tensors, tmp_path / "odd.safetensors")
    net = build("resnet10_w32")
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        load_backbone(net, tmp_path / "odd.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_another_network_is_refused_with_the_first_tensors_and_their_number(backbone):
    with pytest.raises(WeightsError, match=r"lacks tensor `layer1.1.bn1.bias`, .* \(\d+ of \d+ tensors\)"):
        load_backbone(build("resnet18"), backbone)


@pytest.mark.parametrize("keep", [0, 1000, -4])
def test_a_truncated_file_is_refused(backbone, tmp_path, keep):
    (tmp_path / "cut.safetensors").write_bytes(backbone.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"cut\.safetensors: is empty or cut short, .* \(.+\)\. Write or copy"):
        load_backbone(build("resnet10_w32"), tmp_path / "cut.safetensors")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        load_backbone(build("resnet10_w32"), tmp_path / "none.safetensors")
