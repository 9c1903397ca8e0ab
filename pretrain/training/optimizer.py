"""Optimiser settings → optimiser."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from pretrain import optim_config
from pretrain.training.lars import Lars


def build_optimizer(
    optim: optim_config.AnyOptim, parameters: Iterable[Tensor], *, fused: bool = False
) -> torch.optim.Optimizer:
    """The recipe's optimiser of ``parameters``; its learning rate is set anew at every step.

    Which of torch's ways a step takes stays as it is here whatever state is loaded: a state holds how its own
    optimiser stepped, and an unfused SGD that believes itself fused never divides by the loss's scale.

    Args:
        optim: the recipe's.
        parameters: what is trained.
        fused: SGD in one kernel; LARS under a loss scaler without a look at its gradients on the host.
    """
    momentum, decay = optim.momentum, optim.weight_decay
    if isinstance(optim, optim_config.Lars):
        eta, epsilon = optim.eta, optim.epsilon
        return Lars(parameters, optim.lr, momentum=momentum, weight_decay=decay, eta=eta, epsilon=epsilon, fused=fused)
    parameters = list(parameters)
    optimizer = torch.optim.SGD(parameters, optim.lr, momentum, weight_decay=decay, fused=fused or None)
    ways = [{name: group[name] for name in ("fused", "foreach")} for group in optimizer.param_groups]

    def settle(loaded: torch.optim.Optimizer) -> None:
        for group, way in zip(loaded.param_groups, ways, strict=True):
            group.update(way)
        if fused and momentum:
            _fill_buffers(loaded)

    settle(optimizer)
    optimizer.register_load_state_dict_post_hook(settle)
    return optimizer


def _fill_buffers(optimizer: torch.optim.Optimizer) -> None:
    """torch 2.11 leaves fused SGD's buffers uninitialised where a loss scaler finds its first gradients infinite."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)
