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

    Args:
        optim: the recipe's.
        parameters: what is trained.
        fused: SGD in one kernel.
    """
    momentum, decay = optim.momentum, optim.weight_decay
    if isinstance(optim, optim_config.Lars):
        eta, epsilon = optim.eta, optim.epsilon
        return Lars(parameters, optim.lr, momentum=momentum, weight_decay=decay, eta=eta, epsilon=epsilon)
    parameters = list(parameters)
    optimizer = torch.optim.SGD(parameters, optim.lr, momentum, weight_decay=decay, fused=fused or None)
    if fused and momentum:
        # torch 2.11 leaves the buffers uninitialised where a loss scaler finds its first gradients infinite.
        for parameter in parameters:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
