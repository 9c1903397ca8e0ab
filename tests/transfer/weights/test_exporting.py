"""Out to others' layouts and back."""

import json
import pickle
import pickletools
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from ground.errors import ConfigError
from transfer.segmentation import stub
from transfer.weights import exporting, imported
from transfer.weights.exporting import LAYOUTS, export
from transfer.weights.names import from_detectron2, to_detectron2

FIXTURES = Path(__file__).parents[1] / "fixtures"
NAMES = json.loads((FIXTURES / "pixcon_checkpoint_names.json").read_text())["names"]


@pytest.fixture
def backbone(tmp_path, trained):
    torch.save(trained, tmp_path / "given.pth")
    return imported(tmp_path / "given.pth")


@pytest.mark.parametrize("to", LAYOUTS)
def test_what_goes_out_comes_back_in_the_same_bits(tmp_path, backbone, to):
    out = tmp_path / f"out{LAYOUTS[to].suffixes[0]}"
    export(backbone, out, to)
    back = imported(out)
    assert back.tensors.keys() == backbone.tensors.keys()
    for name, tensor in backbone.tensors.items():
        assert back.tensors[name].dtype == tensor.dtype
        assert torch.equal(back.tensors[name], tensor)
    assert back.tensors_sha256 == backbone.tensors_sha256
    assert back.format == ("detectron2" if to == "detectron2" else "torchvision")


@pytest.mark.parametrize("to", LAYOUTS)
def test_the_same_weights_give_the_same_file(tmp_path, backbone, to):
    paths = [tmp_path / f"{name}{LAYOUTS[to].suffixes[0]}" for name in "ab"]
    for path in paths:
        export(backbone, path, to)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_torchvisions_own_network_takes_all_but_its_classifier(tmp_path, trained50):
    torch.save(trained50, tmp_path / "given.pth")
    export(imported(tmp_path / "given.pth"), tmp_path / "out.pth", "torchvision")
    net = torchvision.models.resnet50()
    said = net.load_state_dict(torch.load(tmp_path / "out.pth", weights_only=True), strict=False)
    assert (said.missing_keys, said.unexpected_keys) == (["fc.weight", "fc.bias"], [])
    assert torch.equal(net.layer4[2].conv3.weight, trained50["layer4.2.conv3.weight"])


def test_mmsegs_backbone_takes_all(tmp_path, trained50):
    stub.install()
    from mmseg.models.backbones.resnet import ResNet

    torch.save(trained50, tmp_path / "given.pth")
    export(imported(tmp_path / "given.pth"), tmp_path / "out.pth", "mmseg")
    net = ResNet(50, init_cfg={"type": "Pretrained", "checkpoint": str(tmp_path / "out.pth")})
    net.init_weights()
    saved = net.state_dict()
    assert saved.keys() == trained50.keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in trained50.items())


@pytest.mark.skipif(find_spec("detectron2") is None, reason="detectron2 is not installed here")
def test_detectron2s_checkpointer_takes_all(tmp_path, trained50):
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", "MODEL.META_ARCHITECTURE", "GeneralizedRCNN"])
    cfg.merge_from_list(["MODEL.RESNETS.NORM", "BN", "MODEL.RESNETS.STRIDE_IN_1X1", False])
    model = build_model(cfg)
    torch.save(trained50, tmp_path / "given.pth")
    export(imported(tmp_path / "given.pth"), tmp_path / "out.pkl", "detectron2")
    DetectionCheckpointer(model).load(str(tmp_path / "out.pkl"))
    saved = model.state_dict()
    for name, tensor in trained50.items():
        owner = "roi_heads" if name.startswith("layer4") else "backbone"
        assert torch.equal(saved[f"{owner}.{to_detectron2(name)}"], tensor)
    torch.save({"model": saved, "iteration": 1}, tmp_path / "back.pth")
    assert imported(tmp_path / "back.pth").tensors_sha256 == imported(tmp_path / "out.pkl").tensors_sha256


def test_names_are_pixcons_converters_and_come_back():
    assert {name: to_detectron2(name) for name in NAMES} == NAMES
    assert {theirs: from_detectron2(theirs) for theirs in NAMES.values()} == {b: a for a, b in NAMES.items()}


def test_detectron2s_file_holds_what_the_converter_writes_and_any_numpy_reads_it(tmp_path, backbone):
    export(backbone, tmp_path / "out.pkl", "detectron2")
    content = (tmp_path / "out.pkl").read_bytes()
    whole = pickle.loads(content)
    assert whole.keys() == {"model", "__author__", "matching_heuristics"}
    assert whole["matching_heuristics"] is True
    assert all(type(array) is np.ndarray and array.flags.writeable for array in whole["model"].values())
    assert whole["model"]["stem.conv1.norm.num_batches_tracked"].shape == ()
    strings = [argument for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)]
    assert "numpy" in strings
    assert not [each for each in strings if each.startswith(("numpy.core", "numpy._core"))]


def test_a_name_that_the_loader_would_not_know_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"out\.pth: detectron2 knows its weights by \.pkl\. Name the file so"):
        exporting.layout("detectron2", tmp_path / "out.pth")
    with pytest.raises(ConfigError, match=r"--to detektron2: is no layout .* `detectron2`"):
        exporting.layout("detektron2", tmp_path / "out.pkl")
