"""Backbones to look into."""

import pytest
import torch
from safetensors.torch import save_file

from ground import backbones
from ground.errors import WeightsError
from pretrain.inspect import network
from pretrain.model.student_teacher import StudentTeacher
from pretrain.training.export import export_snapshot, snapshot


@pytest.fixture
def model(tiny):
    torch.manual_seed(0)
    model = StudentTeacher(tiny("pixcon-sr").model)
    with torch.no_grad():
        for parameter in model.student.parameters():
            parameter.add_(0.01)
    return model


def test_snapshot_and_checkpoint_give_the_same_student_and_teacher(model, tmp_path):
    export_snapshot(tmp_path, 3, model)
    torch.save({"model": model.state_dict()}, tmp_path / "checkpoint.pt")
    images = torch.rand(1, 3, 64, 64)
    maps = {}
    for name in ("student", "teacher"):
        kept = network.from_file(snapshot(tmp_path, 3, name))(images)
        assert torch.equal(kept, network.from_checkpoint(tmp_path / "checkpoint.pt", name)(images))
        maps[name] = kept
    assert not torch.equal(maps["student"], maps["teacher"])
    assert maps["student"].shape == (1, 256, 2, 2)


@pytest.mark.parametrize("name", ["resnet50", "resnet18", "resnet10_w32"])
def test_the_architecture_is_found_by_the_tensors_and_put_into_evaluation_mode(name):
    net = network.from_tensors(backbones.build(name).state_dict(), "test")
    assert not net.training
    assert net.resnet.state_dict().keys() == backbones.build(name).state_dict().keys()


def test_tensors_of_another_network_are_refused_with_the_first_difference(tmp_path):
    tensors = {k: v for k, v in backbones.build("resnet18").state_dict().items() if k != "layer3.0.conv1.weight"}
    save_file(tensors, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError, match=r"nearest is resnet18: lacks `layer3\.0\.conv1\.weight`"):
        network.from_file(tmp_path / "odd.safetensors")


def test_missing_and_broken_files_are_one_line(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    (tmp_path / "broken.pt").write_bytes(b"no")
    with pytest.raises(WeightsError, match="is gone"):
        network.from_file(tmp_path / "gone.safetensors")
    with pytest.raises(WeightsError, match="is broken"):
        network.from_file(tmp_path / "broken.safetensors")
    with pytest.raises(WeightsError, match="is broken"):
        network.from_checkpoint(tmp_path / "broken.pt", "student")
