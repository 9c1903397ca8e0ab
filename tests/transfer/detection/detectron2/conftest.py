"""ResNets with statistics that are not their first values, and tiny protocols for them."""

import pytest
import torch
from safetensors.torch import save_file

from ground.backbones import build as build_net
from transfer.tasks import resolve

TINY = {
    "input": {"train_short": [48, 64], "train_max": 96, "test_short": 64, "test_max": 96},
    "schedule": {
        "iterations": 6,
        "batch": 2,
        "base_lr": 0.01,
        "steps": [5],
        "warmup_iterations": 2,
        "precise_bn_iterations": 2,
    },
    "test": {"score_threshold": 0.0, "detections_per_image": 10},
    "threads": 1,
    "workers": 0,
    "checkpoint_every": 2,
}


def write_backbone(name, path):
    torch.manual_seed(0)
    net = build_net(name)
    for part, tensor in net.state_dict().items():
        if part.endswith("running_mean"):
            tensor.normal_(std=0.1)
        if part.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    save_file(dict(net.state_dict()), path)
    return path


@pytest.fixture(scope="session")
def resnet50(tmp_path_factory):
    return write_backbone("resnet50", tmp_path_factory.mktemp("weights") / "resnet50.safetensors")


@pytest.fixture(scope="session")
def resnet18(tmp_path_factory):
    return write_backbone("resnet18", tmp_path_factory.mktemp("weights") / "resnet18.safetensors")


@pytest.fixture
def tiny50(tiny):
    return tiny.model_copy(update={"model": tiny.model.model_copy(update={"backbone": "resnet50"})})


@pytest.fixture
def tiny_pyramid():
    """Mask R-CNN of a ResNet-18 on pictures of 64 pixels."""
    changes = {
        "model": {
            "backbone": "resnet18",
            "channels": 32,
            "rois_per_image": 16,
            "proposals": {
                "anchor_sizes": [8, 16, 32, 64, 128],
                "pre_nms_train": 40,
                "post_nms_train": 30,
                "pre_nms_test": 40,
                "post_nms_test": 10,
            },
            "box_head": {"convs": 1, "channels": 16, "hidden": 32},
            "mask_head": {"convs": 1, "channels": 16},
        },
        **TINY,
    }
    return resolve("coco_detection", changes)
