"""Two gloo processes with half the batch each compute what one process computes with the whole."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from pretrain.model.norm import SyncBatchNorm, use_fused_norms
from pretrain.model.student_teacher import StudentTeacher
from pretrain.run import BACKBONE

STEP, TRAINING = (Path(__file__).parent / name for name in ("two_processes.py", "two_trainings.py"))
needs_gloo = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")


def launch(world, worker, recipe, out, *arguments, changes=None, status=0):
    """``worker`` in ``world`` processes; what they wrote, once the first one has ended with ``status``."""
    out.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, str(worker), recipe, str(out), json.dumps(changes or {}), *map(str, arguments)]
    processes = []
    for rank in range(world):
        environment = os.environ | {
            "WORLD_SIZE": str(world), "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
    try:
        for process in processes if not status else processes[:1]:
            _, errors = process.communicate(timeout=90)
            assert process.returncode == status, errors.decode()[-2000:]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return None if status else json.loads((out / "result.json").read_text())


@needs_gloo
@pytest.mark.parametrize(
    "recipe",
    ["pixcon-sr", "pixcon-coord", "densecl", "byol", "odin", "orl", "pixpro-image", "slotcon-sim-sr", "univip"],
)
def test_two_processes_equal_one_with_the_whole_batch(recipe, tmp_path):
    one, two = (launch(world, STEP, recipe, tmp_path / str(world)) for world in (1, 2))
    assert two["losses"] == pytest.approx(one["losses"], rel=2e-4)
    assert two["gradients"] == pytest.approx(one["gradients"], rel=2e-3, abs=1e-5)
    if recipe != "densecl":  # under ShuffleBN each process tracks its own groups, as the official code does
        assert two["running_mean"] == pytest.approx(one["running_mean"], rel=1e-4, abs=1e-6)
    if one["queue"] is not None:
        assert two["queue"] == pytest.approx(one["queue"], rel=1e-3, abs=1e-5)
    if one["centre"] is not None:
        assert two["centre"] == pytest.approx(one["centre"], rel=1e-4, abs=1e-6)


@needs_gloo
@pytest.mark.parametrize("recipe", ["pixcon-sr", "slotcon-sim-sr"])
def test_groups_within_a_process_and_across_processes_are_those_of_one_process(recipe, tmp_path):
    losses = []
    for group in (2, 8):  # of a batch of 8: two groups a process, one over both
        changes = {"model": {"branches": {"*": {"group": group}}}}
        one, two = (launch(w, STEP, recipe, tmp_path / f"{group}-{w}", changes=changes) for w in (1, 2))
        assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)
        assert two["gradients"] == pytest.approx(one["gradients"], rel=2e-3, abs=1e-5)
        losses.append(sum(one["losses"]))
    assert losses[0] != pytest.approx(losses[1], rel=1e-4)


@needs_gloo
def test_two_processes_save_by_the_clock_and_resume_in_the_same_bits(photos, tmp_path):
    changes = {"train": {"epochs": 2, "workers": 0, "log_every": 2, "checkpoint_minutes": 1e-9, "device": "cpu"}}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    metrics = launch(2, TRAINING, "pixcon-sr", whole, photos, 0, changes=changes)
    launch(2, TRAINING, "pixcon-sr", cut, photos, 3, changes=changes, status=9)
    assert torch.load(cut / "checkpoint.pt", weights_only=True)["step"] == 2
    assert launch(2, TRAINING, "pixcon-sr", cut, photos, 0, changes=changes) == metrics
    ends = {hashlib.sha256((out / BACKBONE).read_bytes()).hexdigest() for out in (whole, cut)}
    assert len(ends) == 1


@needs_gloo
def test_a_signal_to_one_of_two_stops_both_after_the_same_step_and_changes_no_bit(photos, tmp_path):
    changes = {"train": {"epochs": 2, "workers": 0, "log_every": 2, "checkpoint_minutes": 99, "device": "cpu"}}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    metrics = launch(2, TRAINING, "pixcon-sr", whole, photos, 0, changes=changes)
    assert launch(2, TRAINING, "pixcon-sr", cut, photos, "asked", changes=changes) == {"stopped": "SIGUSR2"}
    assert torch.load(cut / "checkpoint.pt", weights_only=True)["step"] == 2
    assert launch(2, TRAINING, "pixcon-sr", cut, photos, 0, changes=changes) == metrics
    assert (cut / BACKBONE).read_bytes() == (whole / BACKBONE).read_bytes()


@needs_gloo
def test_a_clock_that_strikes_between_log_lines_waits_for_the_next(photos, tmp_path):
    changes = {"train": {"epochs": 2, "workers": 0, "log_every": 20, "checkpoint_minutes": 1e-9, "device": "cpu"}}
    assert launch(2, TRAINING, "pixcon-sr", tmp_path / "out", photos, 0, changes=changes)["loss"] > 0


def kinds(network):
    """How many norms of each type it has."""
    types = [type(module) for module in network.modules()]
    return {kind: types.count(kind) for kind in (SyncBatchNorm, nn.SyncBatchNorm, nn.BatchNorm2d)}


@pytest.mark.parametrize(("recipe", "kept"), [("densecl", nn.BatchNorm2d), ("pixcon-sr", nn.SyncBatchNorm)])
def test_fused_norms_replace_ours_and_no_others(recipe, kept, tiny):
    model = StudentTeacher(tiny(recipe).model)
    before, state = kinds(model), {name: value.clone() for name, value in model.state_dict().items()}
    use_fused_norms(model)
    after = kinds(model)
    assert after[SyncBatchNorm] == 0
    assert after[nn.SyncBatchNorm] == before[SyncBatchNorm]
    assert after[nn.BatchNorm2d] == before[nn.BatchNorm2d]
    assert isinstance(model.student.resnet.bn1, kept)
    assert not model.teacher.resnet.bn1.weight.requires_grad
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
