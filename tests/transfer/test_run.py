"""A VOC run from labels to metrics: what it leaves, that it goes on in the same bits, that it learns."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ground.errors import DataError, WeightsError
from ground.progress import silent
from transfer.run import run


@pytest.fixture
def fine_tune(tiny, voc_root, backbone, tmp_path):
    def call(out, *, report=silent, seed=0, weights=backbone, **changes):
        config = tiny.model_copy(update=changes)
        folder = tmp_path / out
        arguments = {"tool": "torchvision", "seed": seed, "weights": weights, "data": voc_root}
        return run(config, out=folder, report=report, **arguments), folder

    return call


def state(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["model"]


def same(one, two):
    detections = (one / "detections.json").read_bytes() == (two / "detections.json").read_bytes()
    first, second = state(one), state(two)
    return detections and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("at", [3, 5, 8, 11], ids=["before a checkpoint", "later", "in precise BN", "in the test"])
def test_a_killed_run_ends_in_the_same_bits(fine_tune, at, killed_at):
    straight, folder = fine_tune("straight")
    killed_at(at, lambda report: fine_tune("killed", report=report))
    resumed, again = fine_tune("killed")
    assert resumed == straight
    assert same(folder, again)


@pytest.mark.parametrize(("at", "last"), [(3, 3), (6, 7), (7, 7), (11, 11)], ids=["early", "last", "BN", "test"])
def test_asked_to_stop_it_saves_and_goes_and_ends_in_the_same_bits(fine_tune, stopped_at, at, last):
    straight, folder = fine_tune("straight")
    losses: dict[int, list[float]] = {}

    def heard(report):
        def tell(step, total, **numbers):
            if "loss" in numbers:
                losses.setdefault(step, []).append(numbers["loss"])
            report(step, total, **numbers)

        return tell

    assert stopped_at(at, lambda report: fine_tune("stopped", report=heard(report)), "SIGUSR2") == last
    saved = torch.load(folder.parent / "stopped" / "checkpoint.pt", weights_only=True)["step"]
    assert saved == min(at, 6)
    resumed, again = fine_tune("stopped", report=heard(silent))
    assert resumed == straight
    assert same(folder, again)
    assert {step: len(each) for step, each in losses.items()} == dict.fromkeys(range(1, 7), 1)  # no step is untold


@pytest.mark.parametrize("part", [0, 0.001, 0.5, 0.999])
def test_a_checkpoint_cut_short_is_named(fine_tune, tmp_path, part, killed_at):
    killed_at(3, lambda report: fine_tune("out", report=report))
    path = tmp_path / "out" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: .*is empty or cut short\)\. Delete the file"):
        fine_tune("out")


def test_a_repeat_never_goes_on_from_anothers_checkpoint(fine_tune, tiny, backbone, tmp_path, killed_at):
    killed_at(5, lambda report: fine_tune("shared", report=report))
    left = (tmp_path / "shared" / "checkpoint.pt").read_bytes()
    other = tmp_path / "other.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(backbone).items()}, other)
    rules = tiny.test.model_copy(update={"nms_threshold": 0.6})
    for changes, message in (
        ({"seed": 1}, "its seed is 0, this run's is 1"),
        ({"test": rules}, "its settings is .*"),
        ({"weights": other}, "its weights is .*"),
    ):
        with pytest.raises(WeightsError, match=rf"checkpoint\.pt: holds another run's .*: {message}\. Give every run"):
            fine_tune("shared", **changes)
    assert (tmp_path / "shared" / "checkpoint.pt").read_bytes() == left


def test_a_checkpoint_that_does_not_say_whose_it_is_is_refused(fine_tune, tmp_path, killed_at):
    killed_at(5, lambda report: fine_tune("out", report=report))
    path = tmp_path / "out" / "checkpoint.pt"
    torch.save({name: part for name, part in torch.load(path, weights_only=True).items() if name != "run"}, path)
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: has no part `run`: another version wrote it\. Delete the"):
        fine_tune("out")


def test_readers_change_no_bit_and_another_seed_does(fine_tune):
    _, alone = fine_tune("alone")
    _, helped = fine_tune("helped", workers=2)
    _, other = fine_tune("other", seed=1)
    assert same(alone, helped)
    assert not same(alone, other)


def test_what_a_run_leaves_and_says(fine_tune, tiny):
    heard = []
    metrics, folder = fine_tune("out", report=lambda step, total, **numbers: heard.append((step, total, numbers)))
    assert set(metrics) == {"AP", "AP50", "AP75"}
    assert [step for step, _, _ in heard] == list(range(1, 6 + 2 + 5 + 1))
    assert {total for _, total, _ in heard} == {13}
    assert heard[0][2]["lr"] == pytest.approx(1e-5)
    assert heard[0][2]["loss"] > 0
    rows = json.loads((folder / "detections.json").read_text())
    assert {row[0] for row in rows} == {f"{number:06d}" for number in range(12, 17)}
    assert all(0 <= row[2] <= 1 and 0 <= row[3] < row[5] <= 64 for row in rows)
    curves = EventAccumulator(str(folder / "curves"))
    curves.Reload()
    assert [event.step for event in curves.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]


def test_bad_labels_stop_before_anything_is_written(fine_tune, voc_root, tmp_path):
    path = voc_root / "VOC2007" / "Annotations" / "000013.xml"
    path.write_text(path.read_text().replace("<name>", "<name>no "))
    with pytest.raises(DataError, match=r"000013.xml: unknown class"):
        fine_tune("out")
    assert not (tmp_path / "out").exists()


def test_images_without_objects_are_tested_and_not_trained_on(fine_tune, voc_root):
    for name in ("000001", "000013"):
        path = voc_root / "VOC2007" / "Annotations" / f"{name}.xml"
        path.write_text("<annotation><size><width>64</width><height>48</height></size></annotation>")
    (voc_root / "VOC2007" / "JPEGImages" / "000001.jpg").write_bytes(b"never opened")
    _, folder = fine_tune("out")
    assert "000013" in {row[0] for row in json.loads((folder / "detections.json").read_text())}


def test_fine_tuning_learns(fine_tune, tiny):
    """A hundred steps on eleven images bring the loss down; random samples and sizes make single losses noisy."""
    schedule = tiny.schedule.model_copy(update={"iterations": 100, "steps": (80,), "batch": 4, "base_lr": 0.04})
    losses = []

    def listen(step, total, **numbers):
        losses.extend([numbers["loss"]] if "loss" in numbers else [])

    fine_tune("out", schedule=schedule, report=listen, checkpoint_every=1000)
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
