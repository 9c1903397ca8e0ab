"""What training tells while it runs: scalars, progress, and the alarm when a loss is no number."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from ground import distributed
from ground.errors import DivergedError
from ground.progress import WAITED, Report
from pretrain.model.student_teacher import feature_std
from pretrain.training.feeding import Pace

log = logging.getLogger(__name__)
COLLAPSED = 0.05


@dataclass
class Outcome:
    """A finished step: its losses by branch and pooled student features (on the device), its images, its settings."""

    losses: dict[str, Tensor]
    pooled: Tensor
    indices: list[int]
    learning_rate: float
    momentum: float


class Monitor:
    """Collects each step's losses on the device and reads them every ``every`` steps: no step waits for the host."""

    def __init__(self, folder: Path, images: list[Path], every: int, first: int, report: Report, pace: Pace) -> None:
        # Steps after the last checkpoint are trained again: drop what a killed attempt wrote of them.
        self._writer = SummaryWriter(str(folder), purge_step=first) if distributed.rank() == 0 else None
        self._images, self._every, self._report, self._pace = images, every, report, pace
        self._pending: list[tuple[int, dict[str, Tensor], list[int]]] = []
        self.latest: dict[str, float] = {}
        """Of the last step that was told of: a checkpoint between two such steps changes nothing that is reported."""
        self._read: dict[str, float] = {}
        self._warned = False

    def step(self, step: int, total: int, outcome: Outcome) -> None:
        """Take note of finished step number ``step`` (from 0) of ``total``."""
        self._pending.append((step, outcome.losses, outcome.indices))
        if (step + 1) % self._every == 0 or step + 1 == total:
            self.flush()
            self.latest = self._read
            self.latest["feature_std"] = float(feature_std(outcome.pooled))
            self._write(step, outcome)
        if distributed.rank() == 0:
            self._report(step + 1, total, **self.latest)

    @property
    def settled(self) -> bool:
        """Whether every loss is read: the same on all processes."""
        return not self._pending

    def flush(self) -> None:
        """Read the pending losses. Every process has to call it after the same step: it averages over them.

        Raises:
            DivergedError: one is not finite, naming the step and its images.
        """
        if not self._pending:
            return
        names = list(self._pending[0][1])
        table = torch.stack([torch.stack([losses[n] for n in names]) for _, losses, _ in self._pending]).float()
        # The mean over processes; a loss that is no number on one of them stops all.
        table = distributed.mean(table).cpu()
        for row, (step, _, indices) in zip(table, self._pending, strict=True):
            if not torch.isfinite(row).all():
                images = [self._images[index] for index in indices]
                log.error("step %d, not finite, images: %s", step + 1, " ".join(map(str, images)))
                raise _diverged(step, dict(zip(names, row.tolist(), strict=True)), images)
        last = table[-1].tolist()
        self._read = {f"loss/{name}": value for name, value in zip(names, last, strict=True)} | {"loss": sum(last)}
        self._pending.clear()

    def _write(self, step: int, outcome: Outcome) -> None:
        self.latest |= self._pace.look(step + 1)
        scalars = self.latest | {"learning_rate": outcome.learning_rate, "teacher_momentum": outcome.momentum}
        if self._writer:
            for name, value in scalars.items():
                if name != WAITED:
                    self._writer.add_scalar(name, value, step + 1)
        if self.latest["feature_std"] < COLLAPSED and not self._warned:
            log.warning("step %d: features are collapsing (std %.3f of 1)", step + 1, self.latest["feature_std"])
            self._warned = True

    def close(self) -> None:
        """Write out the curves."""
        if self._writer:
            self._writer.close()


def _diverged(step: int, losses: dict[str, float], images: list[Path]) -> DivergedError:
    shown = ", ".join(image.name for image in images[:8]) + (f" and {len(images) - 8} more" if len(images) > 8 else "")
    values = ", ".join(f"{name} {value}" for name, value in losses.items())
    return DivergedError(
        f"step {step + 1}",
        f"loss is not finite ({values}) on images {shown}",
        "Lower optim.lr or lengthen optim.warmup_epochs; with fp16 try train.precision=bf16.",
    )
