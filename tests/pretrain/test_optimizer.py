"""SGD in one kernel, and what a checkpoint of another way of stepping leaves of it."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.utils._python_dispatch import TorchDispatchMode

from pretrain.optim_config import Lars, Sgd
from pretrain.training.optimizer import build_optimizer

SGD = SimpleNamespace(lr=0.1, momentum=0.9, weight_decay=1e-4)
SCALE = 1024.0


def pair(fused_first, steps):
    """The same network and optimiser state twice: as its own optimiser has it, and loaded by one of the other way."""
    torch.manual_seed(0)
    networks = [nn.Linear(5, 3)]
    optimizers = [build_optimizer(SGD, networks[0].parameters(), fused=fused_first)]
    for _ in range(steps):
        gradients(networks[0], 1.0)
        optimizers[0].step()
    networks.append(copy.deepcopy(networks[0]))
    optimizers.append(build_optimizer(SGD, networks[1].parameters(), fused=not fused_first))
    optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
    return networks, optimizers


def gradients(network, scale):
    rng = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=rng) * scale


@pytest.mark.parametrize("steps", [0, 2])
def test_fused_sgd_stays_fused_after_an_unfused_state_and_divides_by_the_losss_scale(steps):
    (plain, quick), (unfused, fused) = pair(False, steps)
    assert [(group["fused"], group["foreach"]) for group in fused.param_groups] == [(True, None)]
    for parameter in quick.parameters():
        assert bool(fused.state[parameter]["momentum_buffer"].any()) == bool(steps)
    gradients(plain, 1.0)
    gradients(quick, SCALE)
    fused.grad_scale, fused.found_inf = torch.tensor(SCALE), torch.tensor(0.0)  # as a loss scaler hands them over
    unfused.step()
    fused.step()
    for one, other in zip(plain.parameters(), quick.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-7)


def test_fused_sgd_skips_a_step_of_infinite_gradients_after_an_unfused_state():
    (plain, quick), (_, fused) = pair(False, 0)
    gradients(quick, float("inf"))
    fused.grad_scale, fused.found_inf = torch.tensor(SCALE), torch.tensor(1.0)
    fused.step()
    for one, other in zip(plain.parameters(), quick.parameters(), strict=True):
        assert torch.equal(one, other)
    for parameter in quick.parameters():
        assert not fused.state[parameter]["momentum_buffer"].any()


def test_unfused_sgd_stays_unfused_after_a_fused_state():
    _, (_, unfused) = pair(True, 2)
    assert [group["fused"] for group in unfused.param_groups] == [None]


class Asked(TorchDispatchMode):
    """Counts how often the host asks for a value."""

    count = 0

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        self.count += operation is torch.ops.aten._local_scalar_dense.default
        return operation(*arguments, **(keywords or {}))


@pytest.mark.parametrize("optim", [Sgd(), Lars(kind="lars")], ids=lambda optim: type(optim).__name__)
def test_under_a_loss_scaler_the_host_asks_for_a_value_only_where_steps_are_not_fused(optim):
    asked = {}
    for fused in (True, False):
        network, scaler = nn.Linear(5, 3), GradScaler("cpu", init_scale=SCALE)
        optimizer = build_optimizer(optim, network.parameters(), fused=fused)
        with Asked() as asking:
            scaler.scale(network(torch.ones(2, 5)).square().sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        asked[fused] = asking.count
    assert asked[True] == 0
    assert asked[False] > 0
