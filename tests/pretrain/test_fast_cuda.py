"""The fast paths on a GPU: no wait for the device inside a step, the same numbers as the plain ways."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ground.config import merge
from pretrain import device as devices
from pretrain import recipes
from pretrain.branches.infonce import queue_infonce
from pretrain.model.student_teacher import StudentTeacher
from pretrain.run import BACKBONE, run
from pretrain.training.graph import GraphedPass
from pretrain.training.loop import Trainer, make_loader
from pretrain.views import loading
from pretrain.views.registry import build_layout

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
CUDA = {"train": {"device": "cuda", "precision": "bf16", "channels_last": True}}
LOOKS = "slot_weight"
"""Branches of this setting choose slots by number: their tensors' shapes are known on the host alone."""


@pytest.fixture
def reproducible():
    """The device as a run has it."""
    devices.be_reproducible(torch.device("cuda"))
    yield
    torch.use_deterministic_algorithms(False)


def same(one, other):
    """Whether two states hold the same bits."""
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture
def alarm():
    """``alarm()``: from now on, and until the test is over, a wait for the device is an error."""

    def ring():
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")

    yield ring
    torch.cuda.set_sync_debug_mode("default")


def trained(config, photos, steps, before=lambda step: None):
    """A trainer after ``steps`` steps and the losses of each; ``before`` is called when a step's batch is there."""
    torch.manual_seed(0)
    trainer = Trainer(config, StudentTeacher(config.model), build_layout(config.views, {}), torch.device("cuda"), 0)
    images = sorted(photos.iterdir())
    loader = iter(make_loader(trainer, loading.pixels(config, images, [photos], None, lambda *_, **__: None), 0))
    outcomes = []
    for step in range(steps):
        batch = next(loader)
        before(step)
        outcomes.append(trainer.step(batch, step, steps, 2).losses)
    torch.cuda.set_sync_debug_mode("default")
    return trainer, [{name: float(loss) for name, loss in losses.items()} for losses in outcomes]


def is_recorded(trainer):
    """Whether steps are replayed: what cannot be recorded is taken as it is, with a warning."""
    return isinstance(trainer._pass, GraphedPass) and trainer._pass._graph is not None


def waits_for_nothing(config, photos, alarm):
    """Whether the sixth step, amid an epoch, is taken under the alarm: a recording is made in the fourth."""
    trainer, losses = trained(config, photos, 6, lambda step: alarm() if step == 5 else None)
    return len(losses) == 6 and is_recorded(trainer) == config.train.fast.graph


@pytest.mark.parametrize("recipe", recipes.names())
def test_a_step_never_waits_for_the_device(recipe, tiny, photos, alarm):
    config = tiny(recipe, merge(CUDA, {"train": {"epochs": 9, "fast": {"graph": False}}}))
    if config.initial or config.inputs:
        pytest.skip("trains nothing, or rests on other jobs")
    if any(hasattr(branch, LOOKS) for branch in config.model.branches.values()):
        pytest.skip("slots are chosen by number, and the host has to know it")
    assert waits_for_nothing(config, photos, alarm)


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("recipe", ["pixcon-sr", "pixpro"])
def test_nor_does_one_with_a_scaled_loss_recorded_or_not(recipe, graph, tiny, photos, alarm):
    """SGD in one kernel and LARS skip on the device what overflowed."""
    config = tiny(recipe, merge(CUDA, {"train": {"epochs": 9, "precision": "fp16", "fast": {"graph": graph}}}))
    assert waits_for_nothing(config, photos, alarm)


def recorded_and_not(recipe, tiny, photos):
    """(trainer, losses) of eight steps, recorded from the fourth on and taken as they are."""
    both = [
        trained(tiny(recipe, merge(CUDA, {"train": {"epochs": 9, "fast": {"graph": graph}}})), photos, 8)
        for graph in (True, False)
    ]
    assert is_recorded(both[0][0])
    return both


def test_a_recorded_step_of_pixcon_gives_the_bits_of_one_taken_as_it_is(tiny, photos, reproducible):
    (graphed, losses), (plain, expected) = recorded_and_not("pixcon-sr", tiny, photos)
    assert losses == expected
    assert same(graphed.model.state_dict(), plain.model.state_dict())


@pytest.mark.parametrize("recipe", ["byol", "pixpro", "densecl", "odin"])
def test_a_recorded_step_gives_the_losses_of_one_taken_as_it_is(recipe, tiny, photos, reproducible):
    (_, graphed), (_, plain) = recorded_and_not(recipe, tiny, photos)
    for one, other in zip(graphed, plain, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_recorded_training_resumes_in_the_same_bits(precision, tiny, photos, tmp_path, stopped_at, caplog):
    config = tiny("pixcon-sr", merge(CUDA, {"train": {"epochs": 7, "precision": precision, "log_every": 1}}))
    assert config.train.fast.graph
    assert config.train.fast.optimizer
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(config, seed=0, folders=[photos], out=whole)
    # Steps 6 to 8 are replayed in one of them and taken as they are in the other.
    stopped_at(5, lambda report: run(config, seed=0, folders=[photos], out=broken, report=report))
    run(config, seed=0, folders=[photos], out=broken)
    assert "not recorded" not in caplog.text
    assert (whole / BACKBONE).read_bytes() == (broken / BACKBONE).read_bytes()
    one, other = (torch.load(out / "checkpoint.pt", weights_only=True) for out in (whole, broken))
    assert same(one["model"], other["model"])
    assert one["scaler"] == other["scaler"]
    for states in (one["optimizer"], other["optimizer"]):
        assert [group["fused"] for group in states["param_groups"]] == [True]
    for number, state in one["optimizer"]["state"].items():
        assert same(state, other["optimizer"]["state"][number])


def test_what_is_no_number_passes_a_fused_norm_and_the_kernel_of_infonce():
    from pretrain.model.fused_norm import norm_act

    nan, norm = float("nan"), nn.BatchNorm2d(8).cuda()
    x, shortcut = torch.randn(2, 4, 8, 5, 5, device="cuda")
    assert norm_act(norm, x, shortcut=shortcut).isfinite().all()
    shortcut[0, 3, 1, 1] = nan
    assert norm_act(norm, x, shortcut=shortcut).isnan().nonzero().tolist() == [[0, 3, 1, 1]]
    x[1, 5, 0, 0] = nan
    assert norm_act(norm, x)[:, 5].isnan().all()
    assert norm.running_var.isnan().nonzero().tolist() == [[5]]
    rows = F.normalize(torch.randn(64, 128, device="cuda"), dim=1)
    queries = rows.clone()
    queries[7, 0] = nan
    with torch.autocast("cuda", dtype=torch.bfloat16):
        losses = queue_infonce(queries, rows, rows, 0.2, fused=True)
    assert losses.isnan().nonzero().tolist() == [[7]]


@pytest.mark.parametrize("path", ["norms", "stack", "infonce", "colours", "optimizer", "recompute", "graph"])
def test_every_fast_path_can_be_switched_off_alone(path, tiny, photos, reproducible):
    losses = trained(tiny("pixcon-sr", merge(CUDA, {"train": {"epochs": 9, "fast": {path: False}}})), photos, 6)[1]
    reference = trained(tiny("pixcon-sr", merge(CUDA, {"train": {"epochs": 9}})), photos, 6)[1]
    if path in ("recompute", "graph"):
        assert losses == reference
    elif path == "optimizer":  # it comes after the first step's losses
        assert losses[0] == reference[0]
    assert losses[0] == pytest.approx(reference[0], rel=2e-2)


@pytest.mark.parametrize("temperature", [0.2, 0.07])
def test_the_kernel_is_infonce_to_1e_4_in_half_precision(temperature):
    rng = torch.Generator("cuda").manual_seed(0)
    queries, positives, queue = (
        F.normalize(torch.randn(n, 128, device="cuda", generator=rng), dim=1) for n in (700, 700, 65536)
    )
    queries = F.normalize(queries + 0.6 * positives, dim=1).requires_grad_()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        losses = queue_infonce(queries, positives, queue, temperature, fused=True)
    losses.sum().backward()
    exact = queries.detach().double().requires_grad_()
    own = (exact * positives).sum(1) / temperature
    expected = torch.logaddexp(own, (exact @ queue.double().T / temperature).logsumexp(1)) - own
    expected.sum().backward()
    assert float((losses - expected).norm() / expected.norm()) < 1e-4
    assert float((queries.grad - exact.grad).norm() / exact.grad.norm()) < 1e-4
