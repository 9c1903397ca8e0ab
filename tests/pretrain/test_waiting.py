"""No step waits for the device, shown on one that has no values: whoever asks for one fails."""

import pytest
import torch

from benchmarks.base import Options
from benchmarks.training import build, settings
from pretrain import recipes
from pretrain.branches.matching import by_similarity
from pretrain.model.fast import use_fast_paths

CHOOSES = "slot_weight"
"""Branches of this setting choose slots by number, and the host has to know it (``SemanticGroupingBranch``)."""
RECIPES = [name for name in recipes.names() if name != "random-init"]


@pytest.fixture
def training(valueless, monkeypatch):
    """``training(recipe, fast, precision)``: at toy size on a device without values, and a pinned batch."""
    valueless.pretend(monkeypatch)
    jit, interpreter = (pytest.importorskip(f"triton.runtime.{name}") for name in ("jit", "interpreter"))
    for kind in (jit.JITFunction, interpreter.InterpretedFunction):
        monkeypatch.setattr(kind, "run", lambda kernel, *_, **__: None)

    def made(recipe, fast=True, precision="bf16"):
        words = (f"pretrain.train.precision={precision}", f"pretrain.train.fast.colours={str(fast).lower()}")
        config = settings(Options(size="toy", device="cpu", overrides=words), recipe, 8, torch.device("cpu"))
        found = build(config, valueless.DEVICE)
        if fast:
            use_fast_paths(found.trainer.model, config.train.fast)
        found.batch = found.batch.pin_memory()  # as the loader does
        return found

    yield made
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def step(training, valueless):
    """``step(recipe, fast, precision)``: one step under the alarm; its settings."""

    def taken(recipe, fast=True, precision="bf16"):
        made = training(recipe, fast, precision)
        with valueless.alarmed():
            made.step()
        return made.config

    return taken


def chooses(recipe):
    return any(hasattr(branch, CHOOSES) for branch in recipes.resolve(recipe, {}).model.branches.values())


@pytest.mark.parametrize("recipe", [name for name in RECIPES if not chooses(name)])
def test_a_step_waits_for_no_value_of_the_device(recipe, step):
    assert step(recipe).recipe == recipe


def test_nor_does_one_of_lars_under_a_loss_scaler(step, monkeypatch):
    from pretrain.training import loop

    plain = loop.build_optimizer
    monkeypatch.setattr(loop, "build_optimizer", lambda *given, fused: plain(*given, fused=True))
    assert step("pixpro", precision="fp16").optim.kind == "lars"
    monkeypatch.setattr(loop, "build_optimizer", plain)
    with pytest.raises(RuntimeError, match=r"item\(\) cannot be called on meta tensors"):
        step("pixpro", precision="fp16")


@pytest.mark.parametrize("recipe", ["pixcon-sr", "univip"])
def test_nor_does_one_of_the_plain_ways(recipe, step):
    assert step(recipe, fast=False).recipe == recipe


@pytest.mark.parametrize("recipe", [name for name in RECIPES if chooses(name)])
def test_the_recipes_that_choose_slots_by_number_wait_for_it(recipe, step):
    with pytest.raises(NotImplementedError, match="nonzero"):
        step(recipe)


def recorded(made, valueless):
    """A pass as a CUDA graph would record it."""
    given = made.trainer._given(made.batch)
    with valueless.alarmed(recording=True):
        return made.trainer._passed(*given)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_recorded_if_its_pass_looks_at_no_value_draws_nothing_and_reads_nothing_of_the_host(
    recipe, training, valueless
):
    made = training(recipe)
    if made.trainer.model.capturable:
        assert recorded(made, valueless)[1].is_meta
    else:
        with pytest.raises((RuntimeError, valueless.WaitsError), match="nonzero"):
            recorded(made, valueless)


WAITS = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x.sum()),
    "truth": lambda x: bool((x > 0).all()),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to("cpu", non_blocking=True),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 0],
    "mask, assigned": lambda x: x.clone().index_put_((x > 0,), x.mean()),
    "index on the host": lambda x: x[torch.tensor([0])],
    "masked_select": lambda x: x.masked_select(x > 0),
    "unique": lambda x: x.unique(),
    "repeat": lambda x: x.repeat_interleave((x[:, 0, 0] > 0).long(), 0),
    "tensor of values": lambda x: torch.tensor([x.mean(), x.mean()]),
    "tensor on the device": lambda x: torch.tensor([1.0, 2.0], device=x.device),
    "blocking copy": lambda x: torch.ones(3).pin_memory().to(x.device),
    "copy of what can be paged out": lambda x: torch.ones(3).to(x.device, non_blocking=True),
    "equal": lambda x: torch.equal(x, x),
    "alpha": lambda x: x.add(x, alpha=x.mean()),
}


@pytest.mark.parametrize("wait", list(WAITS))
def test_a_planted_wait_is_found(wait, step, monkeypatch, valueless):
    asked = []

    def waiting(query, key):
        asked.append(query.shape)
        WAITS[wait](query)
        return by_similarity(query, key)

    monkeypatch.setattr("pretrain.branches.matching.by_similarity", waiting)
    with pytest.raises(
        (RuntimeError, NotImplementedError, valueless.WaitsError), match=r"(?i)meta|blocks|blocking|by torch"
    ):
        step("pixcon-sr")
    assert len(asked) == 1
