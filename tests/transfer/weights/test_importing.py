"""From a file to a backbone of ours."""

import hashlib
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ground.backbones import build
from ground.errors import StorageError, WeightsError
from transfer.weights import imported, load_backbone, write
from transfer.weights.importing import tensors_sha256


def run(folder, tensors, **config):
    """A finished pre-training's folder."""
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "backbone.safetensors")
    (folder / "job.json").write_text(json.dumps({"kind": "pretrain", "config": config}))
    return folder


def test_what_was_imported_loads_into_the_network_and_says_where_it_is_from(tmp_path, trained):
    torch.save({"state_dict": {f"backbone.{n}": t for n, t in trained.items()}}, tmp_path / "epoch_800.pth")
    found = imported(tmp_path / "epoch_800.pth")
    write(found, tmp_path / "out" / "ours.safetensors")
    net = build("resnet10_w32")
    load_backbone(net, tmp_path / "out" / "ours.safetensors")
    saved = net.state_dict()
    assert all(torch.equal(saved[name], trained[name]) for name in saved if "num_batches" not in name)
    with safe_open(tmp_path / "out" / "ours.safetensors", "pt") as file:
        words = json.loads(file.metadata()["imported"])
    digest = hashlib.sha256((tmp_path / "epoch_800.pth").read_bytes()).hexdigest()
    assert words == {
        "network": "resnet10_w32", "source": "epoch_800.pth", "source_sha256": digest, "format": "openmmlab",
        "prefix": "backbone.", "tensors_sha256": tensors_sha256(trained), "notes": [], "untrained": False, "before": {},
    }  # fmt: skip
    again = imported(tmp_path / "out" / "ours.safetensors")
    assert (again.tensors_sha256, again.format) == (found.tensors_sha256, "torchvision")
    assert again.before["source"] == "epoch_800.pth"


def test_the_hash_of_tensors_is_that_of_names_shapes_and_values(trained):
    base = tensors_sha256(trained)
    weight = trained["conv1.weight"]
    assert tensors_sha256(dict(reversed(trained.items()))) == base
    assert tensors_sha256(trained | {"bn1.num_batches_tracked": torch.tensor(9)}) == base
    assert tensors_sha256(trained | {"conv1.weight": weight.to(memory_format=torch.channels_last)}) == base
    one = trained["layer2.0.downsample.0.weight"]  # 1×1: contiguous to torch with the strides of another order, too
    assert tensors_sha256(trained | {"layer2.0.downsample.0.weight": one.to(memory_format=torch.channels_last)}) == base
    for other in (weight + 1e-3, weight.reshape(3, 32, 7, 7), weight.double()):
        assert tensors_sha256(trained | {"conv1.weight": other}) != base


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_cast_with_a_word(tmp_path, trained, dtype):
    torch.save({n: t.to(dtype) if t.is_floating_point() else t for n, t in trained.items()}, tmp_path / "w.pth")
    found = imported(tmp_path / "w.pth")
    assert found.notes == (f"{str(dtype).removeprefix('torch.')} cast to float32",)
    assert torch.equal(found.tensors["conv1.weight"], trained["conv1.weight"].to(dtype).float())
    assert found.tensors["bn1.num_batches_tracked"].dtype == torch.int64


def test_channels_are_turned_around_only_when_asked_for(tmp_path, trained):
    torch.save({"model": trained, "__author__": "Caffe2"}, tmp_path / "w.pth")
    as_it_is, turned = (imported(tmp_path / "w.pth", bgr=bgr) for bgr in (False, True))
    assert torch.equal(as_it_is.tensors["conv1.weight"], trained["conv1.weight"])
    assert torch.equal(turned.tensors["conv1.weight"], trained["conv1.weight"][:, [2, 1, 0]])
    assert as_it_is.notes == ("its author is Caffe2, whose networks expect BGR images: see --bgr",)
    assert "from BGR to RGB" in turned.notes[0]


def test_a_run_of_ours_is_named_by_its_folder(tmp_path, trained):
    assert imported(run(tmp_path / "byol.s0-1", trained)).source == "backbone.safetensors"
    (tmp_path / "byol.s0-1" / "backbone.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"is a folder without backbone\.safetensors"):
        imported(tmp_path / "byol.s0-1")
    (tmp_path / "byol.s0-1" / "checkpoint.pt").touch()
    with pytest.raises(WeightsError, match=r"has not finished\. Let it finish, or name .*checkpoint\.pt"):
        imported(tmp_path / "byol.s0-1")


@pytest.mark.parametrize("keep", [0, 100, -4])
def test_a_run_whose_backbone_is_half_written_is_refused_by_the_files_name(tmp_path, trained, keep):
    file = run(tmp_path / "byol", trained) / "backbone.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"byol/backbone\.safetensors: is (empty|cut short or damaged)"):
        imported(tmp_path / "byol")


@pytest.mark.parametrize("exported", ["student", "teacher"])
def test_a_checkpoint_of_ours_gives_the_network_that_its_record_hands_over(tmp_path, trained, other, exported):
    folder = run(tmp_path / "run", trained, model={"export": exported})
    model = {f"{who}.resnet.{n}": t for who, net in (("student", trained), ("teacher", other)) for n, t in net.items()}
    torch.save({"step": 3, "metrics": {}, "model": model, "optimizer": {}}, folder / "checkpoint.pt")
    found = imported(folder / "checkpoint.pt")
    assert (found.format, found.prefix) == ("run", f"{exported}.resnet.")
    assert torch.equal(found.tensors["conv1.weight"], {"student": trained, "teacher": other}[exported]["conv1.weight"])
    (folder / "job.json").unlink()
    for said in (None, "run"):
        with pytest.raises(WeightsError, match=r"no job\.json beside it .*--prefix: `student\.resnet\.`, `teacher"):
            imported(folder / "checkpoint.pt", format=said)
    assert imported(folder / "checkpoint.pt", prefix="teacher.resnet.").prefix == "teacher.resnet."


def test_random_weights_are_admitted_by_their_record_alone(tmp_path):
    tensors = build("resnet10_w32").state_dict()
    assert imported(run(tmp_path / "initial", tensors, initial=True)).untrained
    with pytest.raises(WeightsError, match="was this trained"):
        imported(run(tmp_path / "byol", tensors, initial=False))
    found = imported(tmp_path / "byol", untrained=True)
    write(found, tmp_path / "random.safetensors")
    assert imported(tmp_path / "random.safetensors").untrained


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path, trained):
    torch.save(trained, tmp_path / "w.pth")
    with pytest.raises(StorageError, match="A file lies where a folder should be"):
        write(imported(tmp_path / "w.pth"), tmp_path / "w.pth" / "w.safetensors")


def test_an_untrained_network_of_ours_is_admitted_and_said_to_be_untrained(tmp_path, trained):
    untrained = build("resnet10_w32").state_dict()
    found = imported(run(tmp_path / "random-init", untrained, initial=True))
    assert found.notes == ("untrained; admitted because it is this harness's random-init",)
    write(found, tmp_path / "ours.safetensors")
    (note,) = imported(tmp_path / "ours.safetensors").notes
    assert note.startswith("untrained; admitted because it was when this harness imported it")
    assert imported(run(tmp_path / "byol", trained)).notes == ()
