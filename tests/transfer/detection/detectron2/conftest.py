"""A ResNet-50 with statistics that are not their first values, and the tiny protocol for it."""

import pytest
import torch
from safetensors.torch import save_file

from ground.backbones import build as build_net


@pytest.fixture(scope="session")
def resnet50(tmp_path_factory):
    torch.manual_seed(0)
    net = build_net("resnet50")
    for name, tensor in net.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(std=0.1)
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    path = tmp_path_factory.mktemp("weights") / "resnet50.safetensors"
    save_file(dict(net.state_dict()), path)
    return path


@pytest.fixture
def tiny50(tiny):
    return tiny.model_copy(update={"model": tiny.model.model_copy(update={"backbone": "resnet50"})})
