"""How much a training step has to compute and to move, counted without a clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from benchmarks.base import Options
from benchmarks.training import build, settings

SMALL = (2, 4)
"""Batches that are counted; all larger ones lie on the line through them."""
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class Work:
    """Of one step. ``flops``: of convolutions and products, forth and back. ``elements``: what these read and write,
    each operand once: were all else fused into them, no less would be moved."""

    flops: float
    elements: float

    def floor(self, matrix: float, copy: float, precision: str) -> tuple[float, float]:
        """Seconds that the arithmetic takes at least, and the bytes.

        Args:
            matrix: FLOP/s of the device.
            copy: bytes/s.
            precision: of the step.
        """
        return self.flops / matrix, self.elements * BYTES[precision] / copy


class _Counter(TorchDispatchMode):
    """Adds up what passes."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        out = func(*args, **given)
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += int(formula(*args, **given, out_val=out))
            operands = tree_leaves((args, given, out))
            self.elements += sum(each.numel() for each in operands if isinstance(each, Tensor))
        return out


def counted(work: Callable[[], object]) -> Work:
    """What a piece of work, run once, computes and moves."""
    with _Counter() as counter:
        work()
    return Work(counter.flops, counter.elements)


def of_step(options: Options, recipe: str, batch: int) -> Work:
    """A recipe's step of ``batch`` images, from steps of two and of four on the CPU in single precision."""
    plain = (*options.overrides, "pretrain.train.precision=fp32")
    options = Options(size=options.size, profile=options.profile, overrides=plain)
    low, high = (_small(options, recipe, size) for size in SMALL)
    more = (batch - SMALL[0]) / (SMALL[1] - SMALL[0])
    return Work(*(a + more * (b - a) for a, b in ((low.flops, high.flops), (low.elements, high.elements))))


@cache
def _small(options: Options, recipe: str, batch: int) -> Work:
    cpu = torch.device("cpu")
    training = build(settings(options, recipe, batch, cpu), cpu)
    training.ready()
    return counted(training.step)
