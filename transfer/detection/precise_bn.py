"""Batch-norm statistics of the final weights, instead of a running average over past ones.

Source: Wu and Johnson, "Rethinking Batch in BatchNorm", and fvcore ``nn/precise_bn.py``: the population's mean and
variance over some training batches, each batch weighted by its number of positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

Batch = TypeVar("Batch")


class _Population:
    """Mean and variance of all a layer's inputs so far, per channel."""

    def __init__(self) -> None:
        self.positions = 0
        self.mean: Tensor = torch.zeros(())
        self.variance: Tensor = torch.zeros(())

    def add(self, _layer: nn.Module, inputs: tuple[Tensor]) -> None:
        """A forward hook: one batch (N, C, …) more."""
        values = inputs[0].detach().float()
        positions = values.numel() // values.shape[1]
        self.positions += positions
        weight = positions / self.positions
        axes = [axis for axis in range(values.dim()) if axis != 1]
        variance, mean = torch.var_mean(values, axes, correction=0)
        step = mean - self.mean.to(mean)
        between = step.square() * weight * (1 - weight)
        self.variance = self.variance.to(mean) * (1 - weight) + variance * weight + between
        self.mean = self.mean.to(mean) + step * weight


@torch.no_grad()
def renew(model: nn.Module, forward: Callable[[Batch], object], batches: Iterable[Batch]) -> None:
    """Replace the running statistics of every batch norm of ``model`` by those over ``batches``.

    ``forward`` runs the model on a batch; the model stays in the mode it is in (training, so that every layer
    normalises by its batch, as during training).
    """
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    populations = [_Population() for _ in layers]
    hooks = [layer.register_forward_pre_hook(seen.add) for layer, seen in zip(layers, populations, strict=True)]
    for batch in batches:
        forward(batch)
    for hook in hooks:
        hook.remove()
    for layer, seen in zip(layers, populations, strict=True):
        if seen.positions and layer.running_mean is not None and layer.running_var is not None:
            layer.running_mean.copy_(seen.mean)
            layer.running_var.copy_(seen.variance)
