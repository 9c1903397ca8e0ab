"""A pre-trained backbone as mmsegmentation's ResNet."""

import pytest
import torch
from safetensors.torch import save_file

from ground import backbones
from ground.errors import WeightsError
from transfer.segmentation import fine_tune  # noqa: F401  # makes mmsegmentation importable
from transfer.segmentation.backbone import PreTrainedResNet

NETS = ("resnet50", "resnet18", "resnet10_w32")


@pytest.fixture(params=NETS)
def pair(request, tmp_path):
    """A network of ours with lively statistics, and mmsegmentation's with its tensors, not dilated."""
    torch.manual_seed(5)
    ours = backbones.build(request.param)
    for module in ours.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                torch.nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                torch.nn.init.normal_(tensor, std=0.2)
    save_file(dict(ours.state_dict()), tmp_path / "weights.safetensors")
    theirs = PreTrainedResNet(request.param, str(tmp_path / "weights.safetensors"))
    theirs.init_weights()
    theirs.train(False)
    return ours.eval(), theirs


def test_equal_weights_give_equal_features(pair):
    """To 1e-5 of the largest, in all four stages."""
    ours, theirs = pair
    images = torch.randn(2, 3, 65, 96)
    with torch.no_grad():
        found = theirs(images)
        x = ours.maxpool(ours.relu(ours.bn1(ours.conv1(images))))
        for stage, features in zip((ours.layer1, ours.layer2, ours.layer3, ours.layer4), found, strict=True):
            x = stage(x)
            assert features.shape == x.shape
            assert (features - x).abs().max() <= 1e-5 * x.abs().max()


def test_names_and_shapes_are_torchvisions(pair):
    ours, theirs = ({name: tensor.shape for name, tensor in net.state_dict().items()} for net in pair)
    assert theirs == ours


@pytest.mark.parametrize(
    ("strides", "dilations", "stage3", "stage4", "sizes"),
    [
        ((1, 2, 2, 1), (1, 1, 1, 2), [1] * 6, [1, 2, 2], (16, 8, 4, 4)),
        ((1, 2, 1, 1), (1, 1, 2, 4), [1, 2, 2, 2, 2, 2], [2, 4, 4], (16, 8, 8, 8)),
    ],
    ids=["output stride 16", "output stride 8"],
)
def test_a_stage_begins_with_half_of_its_dilation(strides, dilations, stage3, stage4, sizes):
    net = PreTrainedResNet("resnet50", "", strides=strides, dilations=dilations, contract_dilation=True)
    assert [block.conv2.dilation[0] for block in net.layer3] == stage3
    assert [block.conv2.dilation[0] for block in net.layer4] == stage4
    with torch.no_grad():
        assert tuple(features.shape[-1] for features in net(torch.zeros(1, 3, 64, 64))) == sizes


def test_weights_of_another_network_are_refused(tmp_path):
    save_file(dict(backbones.build("resnet18").state_dict()), tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"other\.safetensors: .*`model\.backbone`"):
        PreTrainedResNet("resnet10_w32", str(tmp_path / "other.safetensors")).init_weights()
