"""LARS against numbers of SlotCon's and PixPro's classes, and in the loop: fp16 scaling, resuming, settings.

``fixtures/lars_steps.json``: five steps of both released optimisers on parameters and gradients drawn as ``_draw`` does
here, among them zero parameters, zero gradients, both zero, one-dimensional ones and gradients near epsilon.
"""

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.amp.grad_scaler import GradScaler

from ground.config import identity
from ground.errors import ConfigError
from pretrain import recipes
from pretrain.optim_config import Lars as LarsSettings
from pretrain.optim_config import Sgd
from pretrain.run import BACKBONE, run
from pretrain.training.lars import Lars
from pretrain.training.optimizer import build_optimizer

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "lars_steps.json").read_text())
SHAPES, RATES = FIXTURE["shapes"], FIXTURE["rates"]


def _draw():
    rng = torch.Generator().manual_seed(11)
    parameters = [torch.randn(shape, generator=rng) for shape in SHAPES]
    for number in (3, 5, 6):
        parameters[number].zero_()
    rng = torch.Generator().manual_seed(12)
    steps = [[0.1 * torch.randn(shape, generator=rng) for shape in SHAPES] for _ in RATES]
    for gradients in steps:
        for number in (4, 5, 6):
            gradients[number].zero_()
        gradients[7].mul_(1e-7)
    return [nn.Parameter(parameter) for parameter in parameters], steps


def _optimizer(parameters, **settings):
    return Lars(parameters, 1.0, **{"momentum": 0.9, "weight_decay": 0.05, "eta": 0.001, **settings})


def _step(optimizer, parameters, rate, gradients):
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    optimizer.param_groups[0]["lr"] = rate
    optimizer.step()


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda case: f"{case['code']}-{case['weight_decay']}")
def test_five_steps_equal_the_official_ones(case):
    parameters, steps = _draw()
    optimizer = _optimizer(parameters, weight_decay=case["weight_decay"], epsilon=case["epsilon"])
    for number, (rate, gradients) in enumerate(zip(RATES, steps, strict=True), start=1):
        _step(optimizer, parameters, rate, gradients)
        if number in (1, 5):
            for parameter, expected in zip(parameters, case[f"after_step_{number}"], strict=True):
                assert parameter.flatten().tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)
    for parameter, expected in zip(parameters, case["buffers"], strict=True):
        assert optimizer.state[parameter]["momentum_buffer"].flatten().tolist() == pytest.approx(expected, rel=1e-5)


def test_epsilon_tells_the_two_official_codes_apart():
    slotcon, pixpro = (case["after_step_5"][7] for case in FIXTURE["cases"] if case["weight_decay"] == 0)
    assert slotcon != pytest.approx(pixpro, rel=1e-4)


def test_gradients_are_left_alone_and_a_parameter_without_one_stays():
    parameters, steps = _draw()
    optimizer = _optimizer(parameters)
    optimizer.param_groups[0]["lr"] = 1.0
    parameters[0].grad = steps[0][0].clone()
    before = [parameter.detach().clone() for parameter in parameters]
    optimizer.step()
    assert torch.equal(parameters[0].grad, steps[0][0])
    assert not torch.equal(parameters[0], before[0])
    assert all(torch.equal(a, b) for a, b in zip(parameters[1:], before[1:], strict=True))


def test_a_restored_state_goes_on_in_the_same_bits():
    parameters, steps = _draw()
    optimizer = _optimizer(parameters)
    for rate, gradients in zip(RATES[:2], steps[:2], strict=True):
        _step(optimizer, parameters, rate, gradients)
    copies = [nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    restored = _optimizer(copies)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for rate, gradients in zip(RATES[2:], steps[2:], strict=True):
        _step(optimizer, parameters, rate, gradients)
        _step(restored, copies, rate, gradients)
    assert all(torch.equal(a, b) for a, b in zip(parameters, copies, strict=True))


@pytest.mark.parametrize("fused", [False, True])
def test_the_loss_scaler_takes_its_scale_off_first_and_skips_what_overflowed(fused):
    parameters, steps = _draw()
    copies, _ = _draw()
    plain, scaled = _optimizer(parameters), _optimizer(copies, fused=fused)
    scaler = GradScaler("cpu", init_scale=1024.0)
    _step(plain, parameters, 1.0, steps[0])
    for factor in (float("inf"), 1.0):
        scale = scaler.scale(torch.ones(()))
        for copied, gradient in zip(copies, steps[0], strict=True):
            copied.grad = gradient * scale
        copies[0].grad *= factor
        scaler.step(scaled)
        scaler.update()
    if fused:  # rounds once more
        assert all(torch.allclose(a, b, rtol=1e-6, atol=0) for a, b in zip(parameters, copies, strict=True))
    else:
        assert all(torch.equal(a, b) for a, b in zip(parameters, copies, strict=True))
    assert scaler.get_scale() == 512.0


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_step_that_is_skipped_on_the_device_changes_no_bit(before, bad):
    parameters, steps = _draw()
    optimizer, scaler = _optimizer(parameters, fused=True), GradScaler("cpu", init_scale=1024.0)
    for number, gradients in enumerate(steps[: before + 1]):
        held = [parameter.detach().clone() for parameter in parameters]
        buffers = [
            optimizer.state[parameter].get("momentum_buffer", torch.zeros(())).clone() for parameter in parameters
        ]
        scale = scaler.scale(torch.ones(()))
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient * scale
        if number == before:
            parameters[0].grad.view(-1)[0] = bad
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 512.0
    for parameter, old, buffer in zip(parameters, held, buffers, strict=True):
        assert torch.equal(parameter, old)
        assert torch.equal(optimizer.state[parameter]["momentum_buffer"], buffer.expand_as(parameter))


def test_settings_choose_the_optimiser_and_defaults_are_the_released_ones():
    parameters = [nn.Parameter(torch.ones(2, 2))]
    assert isinstance(build_optimizer(Sgd(), parameters), torch.optim.SGD)
    lars = build_optimizer(LarsSettings(kind="lars", epsilon=1e-8), parameters)
    assert isinstance(lars, Lars)
    expected = {"lr": 2.0, "momentum": 0.9, "weight_decay": 1e-5, "eta": 0.001, "epsilon": 1e-8}
    assert {name: lars.param_groups[0][name] for name in expected} == expected


def test_a_recipe_that_names_no_kind_has_sgd_and_its_old_key():
    config = recipes.resolve("byol", {})
    assert config.optim == Sgd()
    assert set(identity(config)["optim"]) == {"lr", "momentum", "weight_decay", "warmup_epochs", "warmup_ratio"}
    lars = identity(recipes.resolve("byol", {"optim": {"kind": "lars"}}))["optim"]
    assert {"kind", "eta", "epsilon", "schedule", "final_lr"} <= set(lars)


@pytest.mark.parametrize(
    ("optim", "message"),
    [
        ({"kind": "adam"}, r"`optim\.kind` = 'adam': allowed are sgd, lars"),
        ({"eta": 0.1}, r"unknown field `optim\.eta`"),
        ({"kind": "lars", "epsilom": 0.1}, r"unknown field `optim\.epsilom`\. Did you mean `epsilon`\?"),
        ({"kind": "lars", "schedule": "step"}, "'epoch' or 'iteration'"),
        (5, r"field `optim` = 5"),
    ],
)
def test_wrong_settings_are_refused(optim, message):
    with pytest.raises(ConfigError, match=message):
        recipes.resolve("byol", {"optim": optim})


def test_training_with_it_learns_and_resumes_in_the_same_bits(tiny, photos, tmp_path, killed_at):
    config = tiny("byol", {"optim": {"kind": "lars", "lr": 1.0}, "train": {"checkpoint_minutes": 1e-9}})
    whole = run(config, seed=0, folders=[photos], out=tmp_path / "whole")
    killed_at(2, lambda report: run(config, seed=0, folders=[photos], out=tmp_path / "cut", report=report))
    assert run(config, seed=0, folders=[photos], out=tmp_path / "cut") == whole
    ends = [load_file(tmp_path / name / BACKBONE) for name in ("whole", "cut")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
