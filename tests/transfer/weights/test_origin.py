"""What tensors do not say of their network."""

import pytest
import torch
from safetensors.torch import save_file

from ground.backbones import build
from ground.errors import WeightsError
from transfer.weights import imported, origin

MMCV = {"config": "model = dict(backbone=dict(type='ResNet', depth=50, style='caffe'))"}
MMENGINE = {"cfg": '{"backbone": {"style": "caffe"}}'}


@pytest.mark.parametrize("meta", [MMCV, MMENGINE])
def test_strides_in_the_1x1_convolutions_are_refused_where_a_config_says_so(tmp_path, trained, meta):
    state = {f"backbone.{name}": tensor for name, tensor in trained.items()}
    torch.save({"meta": meta, "state_dict": state}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"strides in its 1x1 convolutions .* with style='pytorch'"):
        imported(tmp_path / "w.pth")
    torch.save({"meta": {"config": "style='pytorch'"}, "state_dict": state}, tmp_path / "w.pth")
    assert imported(tmp_path / "w.pth").notes == ()


def test_the_network_that_compares_images_is_not_what_a_run_hands_over(tmp_path, trained):
    student = {f"backbone.{name}": tensor for name, tensor in trained.items()}
    save_file(student, tmp_path / "network.safetensors", {"backbone": "resnet10_w32", "projectors": "{}"})
    with pytest.raises(
        WeightsError, match=r"not what its recipe hands over\. Name the backbone\.safetensors beside it"
    ):
        imported(tmp_path / "network.safetensors")


def test_images_in_bgr_are_said_where_a_config_says_so(tmp_path, trained):
    torch.save({"meta": {"cfg": "dict(mean=[1], to_rgb=False)"}, "state_dict": trained}, tmp_path / "w.pth")
    assert imported(tmp_path / "w.pth").notes == ("its config leaves images in BGR: see --bgr",)


def test_inputs_from_0_to_255_are_told_by_the_first_layers_statistics():
    images = torch.rand(4, 3, 64, 64)
    found = []
    for inputs in ((images - 0.45) / 0.225, 255 * images):
        torch.manual_seed(1)
        net = build("resnet10_w32")
        with torch.no_grad():
            for _ in range(50):
                net.bn1(net.conv1(inputs))
        found.append(origin.unnormalised_inputs(net.state_dict()))
    assert found == [False, True]
