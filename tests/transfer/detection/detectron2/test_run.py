"""A whole run in detectron2: repeated, killed, resumed, broken."""

import json

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ground.errors import ConfigError, DataError, DivergedError, WeightsError
from ground.progress import silent
from transfer.run import run

pytest.importorskip("detectron2", reason="detectron2 is not importable")


@pytest.fixture
def fine_tune(tiny50, voc_root, resnet50, tmp_path):
    def call(out, *, report=silent, seed=0, **changes):
        config = tiny50.model_copy(update=changes)
        folder = tmp_path / out
        arguments = {"tool": "detectron2", "seed": seed, "weights": resnet50, "data": voc_root}
        return run(config, out=folder, report=report, **arguments), folder

    return call


def state(folder):
    return torch.load(folder / "detectron2" / "model_final.pth", weights_only=True)["model"]


def same(one, two):
    detections = [(folder / "detections.json").read_bytes() for folder in (one, two)]
    first, second = state(one), state(two)
    return len(detections[0]) > 100 and detections[0] == detections[1] and all(
        torch.equal(first[name], second[name]) for name in first
    )  # fmt: skip


def test_killed_anywhere_it_ends_in_the_same_bits(fine_tune, tmp_path, killed_at):
    straight, folder = fine_tune("straight")
    assert set(straight) == {"AP", "AP50", "AP75"}
    assert [path.name for path in sorted((folder / "detectron2").iterdir())] == ["last_checkpoint", "model_final.pth"]
    # Before a checkpoint, after one, in the last iteration, in precise BN and in the test; each time by one process.
    for at in (1, 4, 6, 7, 10):
        killed_at(at, lambda report: fine_tune("killed", report=report))
        assert not (tmp_path / "killed" / "detections.json").exists()
        (tmp_path / "killed" / "detectron2" / ".model_0000001.pth.7.part").write_text(
            "of a process killed while writing"
        )
    resumed, again = fine_tune("killed")
    assert sorted(path.name for path in (again / "detectron2").iterdir()) == ["last_checkpoint", "model_final.pth"]
    assert resumed == straight
    assert same(folder, again)
    curves = EventAccumulator(str(again / "curves"))
    curves.Reload()
    assert [event.step for event in curves.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert {"train/lr", "train/loss_cls", "train/loss_rpn_loc"} <= set(curves.Tags()["scalars"])


def test_asked_to_stop_it_saves_and_goes_and_ends_in_the_same_bits(fine_tune, tmp_path, stopped_at):
    straight, folder = fine_tune("straight")
    for at in (1, 3, 10):  # between checkpoints, and in the test
        stopped_at(at, lambda report: fine_tune("stopped", report=report))
        left = sorted(path.name for path in (tmp_path / "stopped" / "detectron2").glob("*.pth"))
        assert left[-1] == ("model_final.pth" if at == 10 else f"model_{at - 1:07d}.pth")
    resumed, again = fine_tune("stopped")
    assert resumed == straight
    assert same(folder, again)


def test_what_cannot_change_a_result_does_not(fine_tune):
    _, plain = fine_tune("plain")
    _, other = fine_tune("other", workers=2, checkpoint_every=5)
    assert same(plain, other)


def test_seeds_differ_in_heads_and_all_that_follows(fine_tune):
    first, second = (state(fine_tune(f"seed{seed}", seed=seed)[1]) for seed in (0, 1))
    names = ("roi_heads.box_predictor.cls_score.weight", "backbone.stem.conv1.weight")
    assert not any(torch.equal(first[name], second[name]) for name in names)


def test_every_step_is_told_and_detectron2_forgets_the_data_sets(fine_tune):
    from detectron2.data import DatasetCatalog, MetadataCatalog

    steps, losses = [], []
    before = set(DatasetCatalog.list()), set(MetadataCatalog.list())

    def report(step, total, **numbers):
        assert total == 6 + 2 + 5
        steps.append(step)
        losses.extend(value for name, value in numbers.items() if name == "loss")

    fine_tune("told", report=report)
    assert (set(DatasetCatalog.list()), set(MetadataCatalog.list())) == before
    assert sorted(set(steps)) == list(range(1, 14))
    assert steps == sorted(steps)
    assert len(losses) == 6
    assert all(value > 0 for value in losses)


def test_a_repeat_never_goes_on_from_anothers_checkpoint(fine_tune, tiny50, killed_at):
    killed_at(5, lambda report: fine_tune("shared", report=report))
    with pytest.raises(WeightsError, match=r"another run's checkpoint: its seed is 0, this run's is 1"):
        fine_tune("shared", seed=1)
    rules = tiny50.test.model_copy(update={"nms_threshold": 0.6})
    with pytest.raises(WeightsError, match=r"another run's checkpoint: its settings"):
        fine_tune("shared", test=rules)


def test_a_checkpoint_that_does_not_say_whose_it_is_is_refused(fine_tune, tmp_path, killed_at):
    killed_at(5, lambda report: fine_tune("out", report=report))
    folder = tmp_path / "out" / "detectron2"
    path = folder / (folder / "last_checkpoint").read_text()
    torch.save({name: part for name, part in torch.load(path, weights_only=True).items() if name != "run"}, path)
    with pytest.raises(WeightsError, match=r"has no part `run`: another version wrote it\)\. Delete the folder"):
        fine_tune("out")


@pytest.mark.parametrize("part", [0, 0.5, 0.999])
def test_a_half_written_checkpoint_is_named_with_its_remedy(fine_tune, tmp_path, part, killed_at):
    killed_at(5, lambda report: fine_tune("cut", report=report))
    folder = tmp_path / "cut" / "detectron2"
    name = (folder / "last_checkpoint").read_text()
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(WeightsError, match=rf"{name}: is no checkpoint of this run .*Delete the folder"):
        fine_tune("cut")


def test_a_loss_that_is_not_finite_names_iteration_and_images(fine_tune, tiny50):
    schedule = tiny50.schedule.model_copy(update={"base_lr": 1e18, "warmup_iterations": 0})
    with pytest.raises(
        DivergedError, match=r"iteration [2-6]: .* on images \d+\.jpg, \d+\.jpg. Lower `schedule.base_lr`"
    ):
        fine_tune("diverged", schedule=schedule)


def test_a_broken_test_image_is_named_and_the_training_kept(fine_tune, voc_root, tmp_path):
    broken = voc_root / "VOC2007" / "JPEGImages" / "000014.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(b"")
    with pytest.raises(DataError, match=r"000014.jpg: cannot be decoded"):
        fine_tune("broken")
    assert (tmp_path / "broken" / "detectron2" / "last_checkpoint").read_text() == "model_final.pth"
    broken.write_bytes(whole)
    steps = []
    fine_tune("broken", report=lambda step, total, **numbers: steps.append(step))
    assert steps[0] == 8  # the first image of the test


def test_mixed_precision_on_a_cpu_is_refused(fine_tune):
    with pytest.raises(ConfigError, match=r"`precision` = bf16: detectron2 trains in mixed precision on CUDA alone"):
        fine_tune("mixed", precision="bf16", device="cpu")


def test_masks_are_learnt_and_found_and_the_same_after_a_kill(tiny_pyramid, scenes, resnet18, tmp_path, killed_at):
    def call(out, report=silent):
        arguments = {"tool": "detectron2", "seed": 0, "weights": resnet18, "data": scenes}
        return run(tiny_pyramid, out=tmp_path / out, report=report, **arguments)

    straight = call("straight")
    assert set(straight) == {f"{part}_{name}" for part in ("box", "mask") for name in ("AP", "AP50", "AP75")}
    found = json.loads((tmp_path / "straight" / "detections.json").read_text())
    assert len(found) == 10 * len({row["image_id"] for row in found}) > 10
    assert all(row["segmentation"]["counts"] for row in found)
    for at in (3, 5, 9):
        killed_at(at, lambda report: call("killed", report))
    assert call("killed") == straight
    assert same(tmp_path / "straight", tmp_path / "killed")
