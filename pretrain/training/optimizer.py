"""Optimiser settings → optimiser."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from pretrain import optim_config
from pretrain.training.lars import Lars


def build_optimizer(optim: optim_config.AnyOptim, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The recipe's optimiser of ``parameters``; its learning rate is set anew at every step."""
    momentum, decay = optim.momentum, optim.weight_decay
    if isinstance(optim, optim_config.Lars):
        eta, epsilon = optim.eta, optim.epsilon
        return Lars(parameters, optim.lr, momentum=momentum, weight_decay=decay, eta=eta, epsilon=epsilon)
    return torch.optim.SGD(parameters, optim.lr, momentum, weight_decay=decay)
