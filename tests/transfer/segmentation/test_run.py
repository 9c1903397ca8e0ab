"""The contract of a run, on each of the three tasks."""

import json
import math
import multiprocessing
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ground.errors import DataError, DivergedError, WeightsError
from ground.progress import silent
from transfer.run import run
from transfer.segmentation_config import SegmentationTask


@pytest.fixture
def fine_tune(scenes, backbone, tmp_path):
    def call(config: SegmentationTask, out, *, report=silent, seed=0, data=scenes, weights=backbone, **changes):
        folder = tmp_path / out
        arguments = {"tool": "mmsegmentation", "seed": seed, "weights": weights, "data": data}
        return run(config.model_copy(update=changes), out=folder, report=report, **arguments), folder

    return call


def state(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["state_dict"]


def same(one, two):
    first, second = state(one), state(two)
    areas = (one / "iou.json").read_bytes() == (two / "iou.json").read_bytes()
    return areas and all(torch.equal(first[name], second[name]) for name in first)


def test_a_killed_run_ends_in_the_same_bits(task, fine_tune, killed_at):
    """Killed before and between checkpoints and in the test; other readers, too."""
    straight, folder = fine_tune(task, "straight")
    for at in (1, 3, 7):
        killed_at(at, lambda report: fine_tune(task, "killed", report=report))
    resumed, again = fine_tune(task, "killed", workers=2)
    assert resumed == straight
    assert same(folder, again)


def test_asked_to_stop_it_saves_and_goes_and_ends_in_the_same_bits(voc, fine_tune, stopped_at):
    straight, folder = fine_tune(voc, "straight")
    for at, saved in ((3, 3), (7, 6)):  # between checkpoints, and in the test
        assert stopped_at(at, lambda report: fine_tune(voc, "stopped", report=report)) == at
        state = torch.load(folder.parent / "stopped" / "checkpoint.pt", weights_only=True)
        assert state["meta"]["iter"] == saved
    resumed, again = fine_tune(voc, "stopped")
    assert resumed == straight
    assert same(folder, again)


def test_an_iteration_is_told_before_the_checkpoint_that_holds_it(voc, fine_tune, tmp_path):
    """Or a run that is killed between the two lacks a step in its curve."""
    path, told = tmp_path / "out" / "checkpoint.pt", []

    def report(step, total, **numbers):
        if "loss" in numbers:
            told.append((step, torch.load(path, weights_only=True)["meta"]["iter"] if path.exists() else 0))

    fine_tune(voc, "out", report=report)
    assert [step for step, _ in told] == [1, 2, 3, 4, 5, 6]
    assert all(saved < step for step, saved in told)
    assert told[-1][1] > 0


def test_what_a_run_leaves_and_says(task, fine_tune, capfd):
    heard = []
    metrics, folder = fine_tune(task, "out", report=lambda step, total, **numbers: heard.append((step, total, numbers)))
    tests = heard[-1][1] - 6
    assert [step for step, _, _ in heard] == list(range(1, 6 + tests + 1))
    assert heard[0][2]["loss"] > 0
    assert heard[0][2]["lr"] == 0.01
    classes = json.loads((folder / "iou.json").read_text())
    assert len(classes) == task.classes
    present = [each["intersection"] / each["union"] for each in classes if each["union"]]
    assert metrics == {"mIoU": pytest.approx(100 * np.mean(present), abs=1e-10)}
    curves = EventAccumulator(str(folder / "curves"))
    curves.Reload()
    assert [event.step for event in curves.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    fine_tune(task, "out")
    assert capfd.readouterr() == ("", "")
    assert any("Iter(train)" in path.read_text() for path in folder.glob("mmsegmentation/*/*.log"))


def test_nothing_is_left_of_a_run_that_a_second_one_in_the_process_would_find(voc, fine_tune):
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.registry import DefaultScope

    before = [dict(each._instance_dict) for each in (MMLogger, MessageHub, DefaultScope)]
    states = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    fine_tune(voc, "first", workers=1)
    readers = multiprocessing.active_children()
    for reader in readers:
        reader.join(20)
    assert not any(reader.is_alive() for reader in readers)
    assert [dict(each._instance_dict) for each in (MMLogger, MessageHub, DefaultScope)] == before
    assert (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states
    _, first = fine_tune(voc, "first")
    _, second = fine_tune(voc, "second")
    assert same(first, second)


def test_another_seed_is_another_run_and_never_goes_on_from_this_one(voc, fine_tune, backbone, tmp_path):
    _, folder = fine_tune(voc, "out")
    _, other = fine_tune(voc, "other", seed=1)
    assert not same(folder, other)
    changed = voc.model_copy(update={"pixel_mean": (1.0, 1.0, 1.0)})
    for config, seed in ((voc, 1), (changed, 0)):
        with pytest.raises(WeightsError, match=r"checkpoint\.pt: holds another run's checkpoint.*a folder of its own"):
            fine_tune(config, "out", seed=seed)


def test_weights_that_are_missing_cut_short_or_of_another_network_stop_it_first(voc, fine_tune, backbone, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(backbone.read_bytes()[:5000])
    other = voc.model.model_copy(update={"backbone": "resnet18"})
    for changes, message in (
        ({"weights": tmp_path / "none.safetensors"}, r"none\.safetensors: no such file"),
        ({"weights": cut}, r"cut\.safetensors: is empty or cut short"),
        ({"model": other}, r"backbone\.safetensors: lacks tensor.*Set `model\.backbone`"),
    ):
        with pytest.raises(WeightsError, match=message):
            fine_tune(voc, "out", **changes)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("part", [0, 0.001, 0.5, 0.999])
def test_a_checkpoint_cut_short_is_named(voc, fine_tune, tmp_path, part, killed_at):
    killed_at(3, lambda report: fine_tune(voc, "out", report=report))
    path = tmp_path / "out" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: .*is empty or cut short\)\. Delete the file"):
        fine_tune(voc, "out")


def test_a_checkpoint_that_does_not_say_whose_it_is_is_refused(voc, fine_tune, tmp_path, killed_at):
    killed_at(3, lambda report: fine_tune(voc, "out", report=report))
    path = tmp_path / "out" / "checkpoint.pt"
    left = torch.load(path, weights_only=True)
    torch.save(left | {"meta": left["meta"] | {"run": "a hash"}}, path)
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: does not say which run it is of: another version"):
        fine_tune(voc, "out")


def test_a_checkpoint_that_would_run_code_is_refused(voc, fine_tune, tmp_path):
    class Trap:
        def __reduce__(self):
            return sys.exit, (3,)

    (tmp_path / "out").mkdir()
    torch.save({"state_dict": {}, "meta": {"run": Trap()}}, tmp_path / "out" / "checkpoint.pt")
    with pytest.raises(WeightsError, match="is no checkpoint of this run"):
        fine_tune(voc, "out")


def test_a_loss_that_is_not_finite_stops_the_run(voc, fine_tune, tmp_path):
    schedule = voc.schedule.model_copy(update={"base_lr": 1e30})
    with pytest.raises(DivergedError, match=r"iteration \d+: .*loss nan.* on images 2012_.*Lower `schedule.base_lr`"):
        fine_tune(voc, "out", schedule=schedule)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_file_at_fault_is_named(voc, fine_tune, copy, workers, split):
    home = copy / "VOC2012"
    name = (home / "ImageSets/Segmentation" / f"{split}.txt").read_text().split()[0]
    faults = {
        "JPEGImages": (lambda path: path.write_bytes(path.read_bytes()[:-200]), rf"{name}\.jpg: cannot be decoded"),
        "SegmentationClass": (
            lambda path: Image.fromarray(np.full(np.array(Image.open(path)).shape, 33, np.uint8)).save(path),
            rf"{name}\.png: holds the value 33, which is no class",
        ),
    }
    for number, (folder, (spoil, message)) in enumerate(faults.items()):
        path = next((home / folder).glob(f"{name}.*"))
        whole = path.read_bytes()
        spoil(path)
        with pytest.raises(DataError, match=message):
            fine_tune(voc, f"out{number}", data=copy, workers=workers)
        path.write_bytes(whole)


def test_a_forward_pass_in_bfloat16_differs_by_its_rounding(voc, fine_tune):
    losses = {}

    def listen(name):
        return lambda step, total, **numbers: losses.setdefault(name, []).append(numbers.get("loss"))

    for name in ("fp32", "bf16"):
        fine_tune(voc, name, precision=name, report=listen(name))
    whole, half = (np.array(losses[name][:2]) for name in ("fp32", "bf16"))
    assert (whole != half).all()
    assert np.abs(whole - half).max() < 0.05


def test_a_missing_file_stops_before_anything_is_written(task, fine_tune, copy, tmp_path):
    layout = {"cityscapes": "cityscapes/gtFine/val", "voc_segmentation": "VOC2012/JPEGImages"}
    folder = copy / layout.get(task.name, "ADEChallengeData2016/annotations/validation")
    path = next(path for path in sorted(folder.rglob("*")) if path.is_file() and "Ids" not in path.name[-15:-7])
    for each in folder.rglob(f"{path.stem.removesuffix('_gtFine_instanceIds')}*"):
        each.unlink()
    with pytest.raises(DataError, match="missing"):
        fine_tune(task, "out", data=copy)
    assert not (tmp_path / "out").exists()


def test_a_test_set_without_a_label_has_no_score(voc, fine_tune, copy):
    for path in (copy / "VOC2012/SegmentationClass").glob("*.png"):
        Image.fromarray(np.full(np.array(Image.open(path)).shape, 255, np.uint8)).save(path)
    with pytest.raises(DataError, match=r"no pixel of VOC2012/val is labelled"):
        fine_tune(voc, "out", data=copy)


def test_fine_tuning_learns(voc, fine_tune):
    """A hundred steps bring the loss down."""
    losses = []

    def listen(step, total, **numbers):
        losses.extend([numbers["loss"]] if "loss" in numbers else [])

    decay = voc.schedule.decay.model_copy(update={"steps": ()})
    changes = {"iterations": 100, "batch": 4, "base_lr": 0.02, "decay": decay}
    schedule = voc.schedule.model_copy(update=changes)
    metrics, _ = fine_tune(voc, "out", schedule=schedule, report=listen, checkpoint_every=1000)
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:3])
    assert math.isfinite(metrics["mIoU"])
