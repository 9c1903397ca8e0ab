"""The fast paths on a GPU: no wait for the device inside a step, the same numbers as the plain ways."""

import pytest
import torch
import torch.nn.functional as F

from ground.config import merge
from pretrain import recipes
from pretrain.branches.infonce import queue_infonce
from pretrain.model.student_teacher import StudentTeacher
from pretrain.training.loop import Trainer, make_loader
from pretrain.views import loading
from pretrain.views.registry import build_layout

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
CUDA = {"train": {"device": "cuda", "precision": "bf16", "channels_last": True}}
LOOKS = "slot_weight"
"""Branches of this setting choose slots by number: their tensors' shapes are known on the host alone."""


def trained(config, photos, steps, before=lambda step: None):
    """A trainer after ``steps`` steps and the losses of each."""
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


@pytest.mark.parametrize("recipe", recipes.names())
def test_a_step_never_waits_for_the_device(recipe, tiny, photos):
    config = tiny(recipe, merge(CUDA, {"train": {"epochs": 9, "fast": {"graph": False}}}))
    if config.initial or config.inputs:
        pytest.skip("trains nothing, or rests on other jobs")
    if any(hasattr(branch, LOOKS) for branch in config.model.branches.values()):
        pytest.skip("slots are chosen by number, and the host has to know it")

    def strict(step):
        if step == 3:
            torch.cuda.synchronize()
            torch.cuda.set_sync_debug_mode("error")

    assert len(trained(config, photos, 4, strict)[1]) == 4


@pytest.mark.parametrize("recipe", ["pixcon-sr", "byol", "pixpro"])
def test_a_recorded_step_gives_the_losses_of_one_taken_as_it_is(recipe, tiny, photos):
    graphed, plain = (
        trained(tiny(recipe, merge(CUDA, {"train": {"epochs": 9, "fast": {"graph": graph}}})), photos, 8)[1]
        for graph in (True, False)
    )
    for one, other in zip(graphed, plain, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("path", ["norms", "stack", "infonce", "colours", "optimizer", "recompute", "graph"])
def test_every_fast_path_can_be_switched_off_alone(path, tiny, photos):
    losses = trained(tiny("pixcon-sr", merge(CUDA, {"train": {"epochs": 9, "fast": {path: False}}})), photos, 6)[1]
    reference = trained(tiny("pixcon-sr", merge(CUDA, {"train": {"epochs": 9}})), photos, 6)[1]
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
