"""Learning rate and teacher momentum as functions of the step."""

from __future__ import annotations

import math

from pretrain.config import Momentum, Optim


def learning_rate(optim: Optim, step: int, steps_per_epoch: int, epochs: int) -> float:
    """mmcv's CosineAnnealing by epoch under a linear warm-up by iteration (methods.md 1.5).

    Constant within an epoch, ``lr₀/2 (1 + cos(π e / E))``; during the first ``warmup_epochs`` the epoch's value times
    ``1 − (1 − i / warm-up steps)(1 − warmup_ratio)``.
    """
    rate = 0.5 * optim.lr * (1 + math.cos(math.pi * (step // steps_per_epoch) / epochs))
    warmup = optim.warmup_epochs * steps_per_epoch
    if step < warmup:
        rate *= 1 - (1 - step / warmup) * (1 - optim.warmup_ratio)
    return rate


def teacher_momentum(momentum: Momentum, step: int, steps: int) -> float:
    """``1 − (1 − m₀)(cos(π k / K) + 1) / 2`` for ``ascending`` (methods.md 1.4), else ``m₀``."""
    if momentum.schedule == "constant":
        return momentum.base
    return 1 - (1 - momentum.base) * (math.cos(math.pi * step / steps) + 1) / 2
