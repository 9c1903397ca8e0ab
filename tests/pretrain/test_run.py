"""The pre-training job: it learns, repeats in the same bits, resumes in the same bits, and refuses bad input."""

import hashlib
import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ground import backbones
from ground.errors import ConfigError, DataError, DivergedError, WeightsError
from ground.seeding import derive_seed
from pretrain.model.student_teacher import StudentTeacher
from pretrain.run import BACKBONE, run
from pretrain.training import loop
from pretrain.training.export import export_backbone

TRAINED = [
    "byol", "mocov2plus", "densecl", "pixcon-sim", "pixcon-coord", "pixcon-sr", "pixpro", "pixpro-image", "slotcon",
    "slotcon-image", "slotcon-pixel", "slotcon-sim-for-coord", "slotcon-sim-sr",
]  # fmt: skip


def digest(folder):
    return hashlib.sha256((folder / BACKBONE).read_bytes()).hexdigest()


@pytest.mark.parametrize("recipe", TRAINED)
def test_every_recipe_trains_and_exports_a_whole_backbone(recipe, tiny, photos, tmp_path):
    seen = []
    out = tmp_path / "out"
    metrics = run(tiny(recipe), seed=0, folders=[photos], out=out, report=lambda s, t, **n: seen.append((s, t)))
    assert seen == [(step, 4) for step in (1, 2, 3, 4)]
    assert metrics["feature_std"] > 0.1
    tensors = load_file(out / BACKBONE)
    assert set(tensors) == set(backbones.build("resnet10_w32").state_dict())
    assert int(tensors["bn1.num_batches_tracked"]) > 0
    assert any((out / "curves").iterdir())


@pytest.mark.parametrize(("warmup", "warned"), [(0.5, False), (1, True)])
def test_a_training_that_ends_within_its_warmup_says_so(tiny, photos, tmp_path, caplog, warmup, warned):
    config = tiny("byol", {"optim": {"warmup_epochs": warmup}, "train": {"epochs": 1}})
    run(config, seed=0, folders=[photos], out=tmp_path / "out")
    assert ("train.epochs 1 ends within optim.warmup_epochs 1: the rate only rises" in caplog.text) == warned


def test_random_init_is_where_every_recipe_starts(tiny, photos, tmp_path):
    run(tiny("random-init"), seed=3, folders=[], out=tmp_path / "random")
    frozen = tiny("byol", {"optim": {"lr": 1e-30, "warmup_epochs": 0}, "train": {"epochs": 1}})
    run(frozen, seed=3, folders=[photos], out=tmp_path / "byol")
    start, end = (load_file(tmp_path / name / BACKBONE) for name in ("random", "byol"))
    assert torch.equal(start["layer4.0.conv1.weight"], end["layer4.0.conv1.weight"])
    assert not torch.equal(start["bn1.running_mean"], end["bn1.running_mean"])


def test_blocks_start_as_their_shortcuts_where_the_recipe_says_so(tiny):
    torch.manual_seed(0)
    plain = StudentTeacher(tiny("byol").model).student.resnet
    torch.manual_seed(0)
    net = StudentTeacher(tiny("byol", {"model": {"zero_residuals": True}}).model)
    for resnet in (net.student.resnet, net.teacher.resnet):
        assert not resnet.layer4[0].bn2.weight.any()
        assert resnet.layer4[0].bn1.weight.all()
        assert torch.equal(resnet.layer4[0].conv2.weight, plain.layer4[0].conv2.weight)


def test_same_seed_same_bits_whatever_the_workers_and_another_seed_others(tiny, photos, tmp_path):
    for name, seed, workers in (("a", 0, 0), ("b", 0, 2), ("c", 1, 0)):
        run(tiny("pixcon-sr", {"train": {"workers": workers}}), seed=seed, folders=[photos], out=tmp_path / name)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


@pytest.mark.parametrize("recipe", ["pixcon-sr", "densecl", "slotcon-image"])
def test_killed_in_the_middle_of_an_epoch_it_ends_in_the_same_bits(recipe, tiny, photos, tmp_path, killed_at):
    often = tiny(recipe, {"train": {"checkpoint_minutes": 1e-9}})
    whole = run(often, seed=0, folders=[photos], out=tmp_path / "whole")
    killed_at(2, lambda report: run(often, seed=0, folders=[photos], out=tmp_path / "cut", report=report))
    resumed_from = []
    metrics = run(
        often, seed=0, folders=[photos], out=tmp_path / "cut", report=lambda s, t, **n: resumed_from.append(s)
    )
    assert resumed_from[0] in (2, 3)
    assert metrics == whole
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


@pytest.mark.parametrize("reason", ["SIGTERM", "SIGUSR2"])
def test_asked_to_stop_it_saves_after_the_step_and_ends_in_the_same_bits(tiny, photos, tmp_path, stopped_at, reason):
    config = tiny("densecl", {"train": {"log_every": 3}})  # no checkpoint before the end but the one at the signal

    def train(name, report, told=None):
        keep = told if told is not None else {}

        def listen(step, total, **numbers):
            keep[step] = numbers.get("loss")
            report(step, total, **numbers)

        return run(config, seed=0, folders=[photos], out=tmp_path / name, report=listen)

    told, again = {}, {}
    whole = train("whole", lambda *_, **__: None, told)
    assert stopped_at(2, lambda report: train("cut", report, again), reason) == 2
    assert torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)["step"] == 2
    assert train("cut", lambda *_, **__: None, again) == whole
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")
    assert again == told  # the curve, too, whatever the step at which the checkpoint was written


def test_killed_between_training_and_export_it_only_exports(tiny, photos, tmp_path):
    config = tiny("byol")
    metrics = run(config, seed=0, folders=[photos], out=tmp_path / "out")
    before = digest(tmp_path / "out")
    (tmp_path / "out" / BACKBONE).unlink()
    steps = []
    again = run(config, seed=0, folders=[photos], out=tmp_path / "out", report=lambda s, t, **n: steps.append(s))
    assert steps == []
    assert again == metrics
    assert digest(tmp_path / "out") == before


def test_where_the_images_lie_and_what_else_lies_there_changes_nothing(tiny, photos, tmp_path):
    run(tiny("byol"), seed=0, folders=[photos], out=tmp_path / "a")
    moved = shutil.copytree(photos, tmp_path / "elsewhere")
    (moved / "notes.txt").write_text("no image")
    run(tiny("byol"), seed=0, folders=[moved], out=tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_accumulation_sees_every_image_once_and_enqueues_the_whole_batch(tiny, photos, tmp_path, monkeypatch):
    every = {"queue": 64, "group": 4}
    config = tiny("pixcon-sr", {"train": {"accumulate": 2}, "model": {"branches": {"*": every}}})
    taken = []
    whole = loop.Trainer._accumulate
    monkeypatch.setattr(loop.Trainer, "_accumulate", lambda self, b: (taken.append(b.indices), whole(self, b))[1])
    run(config, seed=0, folders=[photos], out=tmp_path / "out")
    assert [len(part) for part in taken] == [4] * 8
    assert len({index for part in taken[:4] for index in part}) == 16
    state = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["model"]
    assert int(state["branches.image.fresh.queue.pointer"]) == 4 * 8
    torch.manual_seed(derive_seed("init", 0))
    initial = StudentTeacher(config.model).state_dict()["branches.image.fresh.queue.keys"]
    changed = (state["branches.image.fresh.queue.keys"] != initial).all(1)
    assert changed.tolist() == [True] * 32 + [False] * 32


def test_snapshots_of_both_networks_are_kept_by_epoch_the_untrained_included(tiny, photos, tmp_path):
    out = tmp_path / "out"
    run(tiny("byol", {"train": {"snapshot_epochs": 1}}), seed=0, folders=[photos], out=out)
    networks = [f"epoch-000{epoch}.{network}.safetensors" for epoch in range(3) for network in ("student", "teacher")]
    assert sorted(path.name for path in (out / "snapshots").iterdir()) == networks
    kept = {name: load_file(out / "snapshots" / name)["conv1.weight"] for name in networks}
    assert torch.equal(kept[networks[0]], kept[networks[1]])  # the teacher starts as the student's copy
    assert torch.equal(kept[networks[4]], load_file(out / "backbone.safetensors")["conv1.weight"])
    state = torch.load(out / "checkpoint.pt", weights_only=True)["model"]
    assert torch.equal(kept[networks[5]], state["teacher.resnet.conv1.weight"])


def test_bf16_trains(tiny, photos, tmp_path):
    metrics = run(tiny("pixcon-sr", {"train": {"precision": "bf16"}}), seed=0, folders=[photos], out=tmp_path / "out")
    assert metrics["loss"] > 0


def test_a_loss_that_is_no_number_stops_with_step_images_and_remedy(tiny, photos, tmp_path, monkeypatch):
    real = loop.photometric.apply
    calls = []

    def broken(*arguments):
        calls.append(1)
        return real(*arguments) * (float("nan") if len(calls) > 4 else 1.0)

    monkeypatch.setattr(loop.photometric, "apply", broken)
    config = tiny("pixcon-sr", {"train": {"checkpoint_minutes": 1e-9}})
    with pytest.raises(DivergedError, match=r"step 3: loss is not finite .*\d\d\.jpg.*Lower optim\.lr"):
        run(config, seed=0, folders=[photos], out=tmp_path / "out")
    state = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 2
    assert all(torch.isfinite(value).all() for value in state["model"].values())


@pytest.mark.parametrize("tensor", ["conv1.weight", "bn1.running_var"])
def test_a_backbone_that_is_no_number_is_not_handed_over(tensor, tmp_path):
    resnet = backbones.build("resnet10_w32", nn.BatchNorm2d, zero_residuals=False)
    export_backbone(tmp_path / "backbone.safetensors", resnet)
    kept = (tmp_path / "backbone.safetensors").read_bytes()
    resnet.state_dict()[tensor].view(-1)[0] = float("nan")
    with pytest.raises(DivergedError, match=rf"backbone\.safetensors: .*{tensor} is finite\. Lower optim\.lr"):
        export_backbone(tmp_path / "backbone.safetensors", resnet)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [kept]


def test_a_truncated_image_is_named(tiny, photos, tmp_path):
    victim = photos / "07.jpg"
    victim.write_bytes(victim.read_bytes()[:300])
    with pytest.raises(DataError, match=r"07\.jpg.*Replace or delete"):
        run(tiny("byol"), seed=0, folders=[photos], out=tmp_path / "out")


def test_a_truncated_image_is_named_by_a_worker_too(tiny, photos, tmp_path):
    (photos / "03.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"03\.jpg"):
        run(tiny("byol", {"train": {"workers": 1}}), seed=0, folders=[photos], out=tmp_path / "out")


def test_missing_and_empty_folders_and_too_few_images_are_refused(tiny, photos, tmp_path):
    with pytest.raises(DataError, match="no such image folder"):
        run(tiny("byol"), seed=0, folders=[tmp_path / "nowhere"], out=tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        run(tiny("byol"), seed=0, folders=[tmp_path / "empty"], out=tmp_path / "out")
    with pytest.raises(DataError, match="20 images are fewer than one batch of 32"):
        run(tiny("byol", {"train": {"batch": 32}}), seed=0, folders=[photos], out=tmp_path / "out")


def test_fp16_on_a_cpu_is_refused(tiny, photos, tmp_path):
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        run(tiny("byol", {"train": {"precision": "fp16"}}), seed=0, folders=[photos], out=tmp_path / "out")


@pytest.mark.parametrize("damage", [b"", b"no checkpoint"])
def test_a_broken_checkpoint_is_named(damage, tiny, photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "checkpoint.pt").write_bytes(damage)
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: is no checkpoint of this run"):
        run(tiny("byol"), seed=0, folders=[photos], out=tmp_path / "out")


def test_a_checkpoint_of_another_network_is_refused(tiny, photos, tmp_path):
    run(tiny("byol"), seed=0, folders=[photos], out=tmp_path / "out")
    with pytest.raises(WeightsError, match="is no checkpoint of this run"):
        run(tiny("pixcon-sr"), seed=0, folders=[photos], out=tmp_path / "out")
