"""Learning rate and teacher momentum as functions of the step."""

from __future__ import annotations

import math

from pretrain.config import Momentum
from pretrain.optim_config import Optim


def learning_rate(optim: Optim, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The rate of step ``step`` (from 0) by the recipe's schedule, ``epoch`` or ``iteration``."""
    warmup = optim.warmup_epochs * steps_per_epoch
    risen = step / warmup if step < warmup else 1.0
    warmed = 1 - (1 - risen) * (1 - optim.warmup_ratio)
    if optim.schedule == "epoch":
        return warmed * _cosine(optim, step // steps_per_epoch, epochs)
    return warmed * optim.lr if step < warmup else _cosine(optim, step - warmup, epochs * steps_per_epoch - warmup)


def _cosine(optim: Optim, at: float, length: float) -> float:
    """From ``lr`` at 0 to ``final_lr`` at ``length`` along half a cosine.

    By epoch and from the start of training, a warm-up on top: mmcv's CosineAnnealing (methods.md 1.5). By iteration and
    from the end of the warm-up: SlotCon utils/lr_scheduler.py, PixPro contrast/lr_scheduler.py (methods.md B.6).
    """
    return optim.final_lr + 0.5 * (optim.lr - optim.final_lr) * (1 + math.cos(math.pi * at / length))


def teacher_momentum(momentum: Momentum, step: int, steps: int) -> float:
    """The share of the teacher that stays after step ``step`` (from 0) of ``steps``.

    ``1 − (1 − m₀)(cos(π k / K) + 1) / 2`` for ``ascending`` (methods.md 1.4), else ``m₀``. mmselfsup averages after the
    optimiser's step with its number k; SlotCon and PixPro average before the next forward pass, with the next k: their
    first average, of two equal networks, and ours after the last step, with k = K and momentum 1, change nothing.
    """
    if momentum.schedule == "constant":
        return momentum.base
    at = step + 1 if momentum.average == "before" else step
    return 1 - (1 - momentum.base) * (math.cos(math.pi * at / steps) + 1) / 2
