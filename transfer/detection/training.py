"""The training loop: SGD on batches that are a function of (seed, iteration), checkpoints that lose nothing."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from ground import checkpoint, stopping
from ground.errors import DivergedError
from ground.files import storage_errors
from ground.progress import Report
from ground.seeding import derive_seed
from ground.stopping import Stopped
from transfer.detection.detector import Detector
from transfer.detection.precise_bn import renew
from transfer.detection.samples import Sample, batches
from transfer.detection_config import DetectionTask, Schedule
from transfer.facts import Facts
from transfer.layouts.record import Photograph


def rate(schedule: Schedule, iteration: int) -> float:
    """The learning rate of one iteration, counted from 0 (detectron2 ``WarmupMultiStepLR``)."""
    done = min(iteration / schedule.warmup_iterations, 1.0) if schedule.warmup_iterations else 1.0
    warm = schedule.warmup_factor * (1 - done) + done
    return schedule.base_lr * warm * schedule.gamma ** bisect_right(schedule.steps, iteration)


def optimiser(model: nn.Module, schedule: Schedule) -> torch.optim.SGD:
    """SGD with one weight decay for batch norms and one for all else, biases included."""
    norms = {id(p) for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
    groups = [
        {"params": [p for p in model.parameters() if id(p) not in norms], "weight_decay": schedule.weight_decay},
        {"params": [p for p in model.parameters() if id(p) in norms], "weight_decay": schedule.weight_decay_norm},
    ]
    return torch.optim.SGD(groups, lr=schedule.base_lr, momentum=schedule.momentum)


@dataclass
class Trainer:
    """Takes a detector from its pre-trained weights, or from its last checkpoint in ``out``, to the last iteration."""

    config: DetectionTask
    model: Detector
    seed: int
    weights: Path
    """The pre-trained backbone that ``model`` was built from."""
    device: torch.device
    out: Path
    report: Report
    total: int
    """Of the run's progress, testing included."""

    def fit(self, images: Sequence[Photograph]) -> None:
        """Train on ``images``, then renew the batch-norm statistics.

        Raises:
            DivergedError: the loss is not finite.
            DataError: an image cannot be decoded.
            StorageError: a checkpoint cannot be written.
            WeightsError: the checkpoint is broken, or another run's.
        """
        schedule = self.config.schedule
        sgd = optimiser(self.model, schedule)
        path = self.out / "checkpoint.pt"
        own = Facts(path, self.config, self.seed, self.weights)  # first: compared before anything is loaded
        parts: dict[str, checkpoint.Stateful] = {"run": own, "model": self.model, "optimizer": sgd}
        start, _ = checkpoint.restore(path, parts, self.device)
        stream = batches(images, self.config, self.seed, start)
        self.model.train()
        with self._curves(start) as curves:
            for iteration in range(start, schedule.iterations):
                numbers = self._step(iteration, next(stream), sgd)
                for name, value in numbers.items():
                    curves.add_scalar(f"train/{name}", value, iteration + 1)
                # Before the checkpoint: what goes on from it does not tell of this step again.
                self.report(iteration + 1, self.total, loss=numbers["loss"], lr=numbers["lr"])
                stop, last = stopping.asked(), iteration + 1 == schedule.iterations
                if (iteration + 1) % self.config.checkpoint_every == 0 or last or stop:
                    checkpoint.save(path, iteration + 1, parts)
                    curves.flush()
                if stop and not last:
                    raise Stopped(stop)
        numbered = enumerate(islice(stream, schedule.precise_bn_iterations), schedule.iterations)
        renew(self.model, self._unlearnt, numbered)

    def _step(self, iteration: int, batch: list[Sample], sgd: torch.optim.SGD) -> dict[str, float]:
        """One step of the optimiser; the loss, its parts and the rate."""
        lr = rate(self.config.schedule, iteration)
        for group in sgd.param_groups:
            group["lr"] = lr
        loss, numbers = self._losses(iteration, batch)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return {**numbers, "lr": lr}

    def _losses(self, iteration: int, batch: list[Sample]) -> tuple[Tensor, dict[str, float]]:
        """The loss of one batch, then it and its parts as numbers, read from the device once; what the model draws
        (samples of anchors and regions) depends on the iteration alone."""
        torch.manual_seed(derive_seed(self.config.name, "step", self.seed, iteration))
        images = [sample.image.to(self.device, non_blocking=True) for sample in batch]
        targets = [sample.target(self.device) for sample in batch]
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                parts = self.model.losses(images, targets)
        except FloatingPointError as error:  # detectron2 looks for itself
            raise _diverged(iteration, batch, str(error)) from error
        each = torch.stack(list(parts.values()))
        loss = each.sum()
        numbers = dict(zip(["loss", *parts], torch.cat([loss.view(1), each]).tolist(), strict=True))
        if not all(math.isfinite(numbers[name]) for name in parts):
            raise _diverged(iteration, batch, ", ".join(f"{name} {numbers[name]:.3g}" for name in parts))
        return loss, numbers

    def _unlearnt(self, numbered: tuple[int, list[Sample]]) -> None:
        """A forward pass on one batch of (iteration, samples), for its batch-norm statistics."""
        iteration, batch = numbered
        self._losses(iteration, batch)
        self.report(iteration + 1, self.total)
        stopping.check()

    @contextmanager
    def _curves(self, start: int) -> Iterator[SummaryWriter]:
        """TensorBoard scalars in ``out/curves``; what a killed attempt wrote beyond its checkpoint is hidden."""
        folder = self.out / "curves"
        with storage_errors(folder), closing(SummaryWriter(str(folder), purge_step=start + 1)) as curves:
            yield curves


def _diverged(iteration: int, batch: list[Sample], problem: str) -> DivergedError:
    names = ", ".join(sample.name for sample in batch)
    remedy = "Lower `schedule.base_lr` or raise `schedule.warmup_iterations`."
    return DivergedError(f"iteration {iteration + 1}", f"{problem.rstrip('.')} on images {names}", remedy)
