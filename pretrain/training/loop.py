"""The training loop of every recipe."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from ground import checkpoint, distributed, stopping
from ground.errors import UserError
from ground.progress import Report
from ground.seeding import derive_seed, generator
from ground.stopping import Stopped
from pretrain.branches.base import Geometry
from pretrain.config import PretrainConfig
from pretrain.device import moved
from pretrain.model.fast import TRITON, use_fast_paths
from pretrain.model.norm import use_fused_norms
from pretrain.model.student_teacher import StudentTeacher
from pretrain.training.export import export_snapshot
from pretrain.training.feeding import TIMES, Feed, Pace
from pretrain.training.graph import GraphedPass, Passed
from pretrain.training.monitor import Monitor, Outcome
from pretrain.training.optimizer import build_optimizer
from pretrain.training.schedule import learning_rate, teacher_momentum
from pretrain.views import loading, photometric, worker
from pretrain.views.dataset import KEPT, Batch, StepSampler, ViewsDataset
from pretrain.views.layout import Layout
from pretrain.views.pictures import Pictures

log = logging.getLogger(__name__)
_DTYPE = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Trainer:
    """A model in training: everything a checkpoint holds, and the settings of a step."""

    config: PretrainConfig
    model: StudentTeacher
    layout: Layout
    device: torch.device
    seed: int

    def __post_init__(self) -> None:
        self.model.to(self.device)
        if self.config.train.channels_last:
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        cuda, fast = self.device.type == "cuda", self.config.train.fast
        if distributed.world() > 1 and cuda:
            use_fused_norms(self.model)
        if cuda:
            use_fast_paths(self.model, fast)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = build_optimizer(self.config.optim, trained, fused=fast.optimizer and cuda)
        self.scaler = GradScaler(self.device.type, enabled=self.config.train.precision == "fp16")
        # Buffers stay each process's own: queues are gathered already, batch norms synchronised already.
        self.network: nn.Module = self.model
        if distributed.world() > 1:
            self.network = DistributedDataParallel(self.model, broadcast_buffers=False)
        self._pass: Callable[[tuple[Tensor, ...], Geometry], Passed] = self._passed
        if cuda and fast.graph and self.config.train.accumulate == 1 and self.model.capturable:
            self._pass = GraphedPass(self.model, self._passed)

    @property
    def parts(self) -> dict[str, checkpoint.Stateful]:
        """What a checkpoint holds."""
        return {"model": self.model, "optimizer": self.optimizer, "scaler": self.scaler}

    def step(self, batch: Batch, step: int, steps: int, steps_per_epoch: int) -> Outcome:
        """One optimiser step on this process's share of a batch."""
        # Only ShuffleBN and branches draw from the global generator; seeded by step, an interrupted run goes on alike.
        torch.manual_seed(derive_seed("step", self.seed, step))
        epoch, into = divmod(step, steps_per_epoch)
        if not into:
            self.model.start_epoch(epoch)
        rate = learning_rate(self.config.optim, step, steps_per_epoch, self.config.train.epochs)
        momentum = teacher_momentum(self.config.model.momentum, step, steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        parts = [self._accumulate(part) for part in micro_batches(batch, self.config.train.accumulate)]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        view = int(generator("enqueue", self.seed, step).integers(2))
        self.model.end_step(momentum, view)
        losses = {name: torch.stack([part[name] for part, _ in parts]).mean() for name in parts[0][0]}
        return Outcome(losses, torch.cat([pooled for _, pooled in parts]), batch.indices, rate, momentum)

    def _accumulate(self, batch: Batch) -> Passed:
        """Forward and backward of one micro-batch."""
        return self._pass(*self._given(batch))

    def _given(self, batch: Batch) -> tuple[tuple[Tensor, ...], Geometry]:
        """All that a pass works on: what it draws is drawn now, for a recorded one draws nothing."""
        views, geometry = self.to_device(batch)
        drawn = tuple(moved(numbers, self.device) for numbers in self.model.draw(len(batch.indices)))
        return views, replace(geometry, drawn=drawn)

    def _passed(self, views: tuple[Tensor, ...], geometry: Geometry) -> Passed:
        precision = self.config.train.precision
        with torch.autocast(self.device.type, dtype=_DTYPE[precision], enabled=precision != "fp32"):
            losses, pooled = self.network(views, geometry)
        loss = torch.stack(list(losses.values())).sum() / self.config.train.accumulate
        self.scaler.scale(loss).backward()
        return {name: value.detach() for name, value in losses.items()}, pooled

    def to_device(self, batch: Batch) -> tuple[tuple[Tensor, ...], Geometry]:
        """A batch as the network takes it: photometric work happens here, on the device."""
        memory = torch.channels_last if self.config.train.channels_last else torch.contiguous_format
        images = []
        for view, shown in enumerate(self.layout.shown):
            crops = batch.crops[view].to(self.device, non_blocking=True)
            drawn = (batch.flips[view], batch.drawn[view], shown.photometric)
            if crops.is_cuda and TRITON and self.config.train.fast.colours:
                colours = photometric.fused(crops, *drawn, _DTYPE[self.config.train.precision])
            else:
                # In memory they are channels last; on a CPU, sums over another layout would round otherwise.
                colours = photometric.apply(crops.contiguous(), *drawn)
            images.append(colours.contiguous(memory_format=memory))
        masks, overlaps, boxes, flips, sizes = (
            tuple(view.to(self.device, non_blocking=True) for view in field)
            for field in (batch.masks, batch.overlaps, batch.boxes, batch.flips, batch.sizes)
        )
        return tuple(images), Geometry((masks[0], masks[1]), (overlaps[0], overlaps[1]), boxes, flips, sizes)


def micro_batches(batch: Batch, count: int) -> Iterator[Batch]:
    """``batch`` in ``count`` equal parts, in order."""
    size = len(batch.indices) // count
    for start in range(0, size * count, size):
        yield batch.part(slice(start, start + size))


def train(trainer: Trainer, images: list[Path], pixels: Pictures, out: Path, report: Report) -> dict[str, float]:
    """Train from the last checkpoint in ``out`` (or from the start) to the end; the last step's losses.

    Args:
        trainer: what is trained.
        images: the files, which errors name.
        pixels: of each of them.
        out: the run's folder.
        report: told of every step.
    """
    settings = trainer.config.train
    steps_per_epoch = len(images) // settings.batch
    steps = settings.epochs * steps_per_epoch
    saved = out / "checkpoint.pt"
    first, metrics = checkpoint.restore(saved, trainer.parts, trainer.device)
    feed = Feed(make_loader(trainer, pixels, first), trainer.device)
    pace = Pace(trainer.config, loading.workers(settings, trainer.device), feed, first)
    monitor = Monitor(out / "curves", images, settings.log_every, first, report, pace)
    monitor.latest = metrics
    warmup = trainer.config.optim.warmup_epochs
    if settings.epochs <= warmup and distributed.rank() == 0:
        log.warning("train.epochs %d ends within optim.warmup_epochs %g: the rate only rises", settings.epochs, warmup)
    if not first:
        _keep(trainer, out, 0)
    last_saved = time.monotonic()
    for step, batch in enumerate(feed, start=first):
        if isinstance(batch, UserError):
            raise batch
        monitor.step(step, steps, trainer.step(batch, step, steps, steps_per_epoch))
        epoch, into = divmod(step + 1, steps_per_epoch)
        if not into:  # before the checkpoint: a training that goes on from it has no second chance
            _keep(trainer, out, epoch)
        due = time.monotonic() - last_saved > settings.checkpoint_minutes * 60
        stop = stopping.asked()
        if distributed.world() > 1:
            # Clocks differ, and signals arrive at different steps. All follow the first one's clock and any one's
            # signal, and ask only where the host has waited for the device anyway.
            due = monitor.settled and distributed.of_first(due, trainer.device)
            stop = distributed.asked(trainer.device) if monitor.settled else ""
        if due or stop or step + 1 == steps:
            monitor.flush()  # by every process; a diverged state is never saved
            if distributed.rank() == 0:
                checkpoint.save(saved, step + 1, trainer.parts, reproducible(monitor.latest))
            last_saved = time.monotonic()
        if stop and step + 1 < steps:
            monitor.close()
            raise Stopped(stop)
    monitor.close()
    return reproducible(monitor.latest)


def _keep(trainer: Trainer, out: Path, epoch: int) -> None:
    """The snapshot of an epoch, if it is one of those to keep."""
    every = trainer.config.train.snapshot_epochs
    if every and not epoch % every and distributed.rank() == 0:
        export_snapshot(out, epoch, trainer.model)


def reproducible(numbers: dict[str, float]) -> dict[str, float]:
    """The numbers that are the same at every repetition: all but the times."""
    return {name: value for name, value in numbers.items() if name not in TIMES}


def exported(trainer: Trainer) -> nn.Module:
    """The ResNet a recipe hands to transfer."""
    chosen = trainer.model.student if trainer.config.model.export == "student" else trainer.model.teacher
    return cast(nn.Module, chosen.resnet)


def make_loader(trainer: Trainer, pixels: Pictures, first_step: int) -> DataLoader[Batch | UserError]:
    """Batches of this process from ``first_step`` on; how many workers load them changes nothing."""
    settings = trainer.config.train
    grid = -(-trainer.config.views.size // 32)
    sampler = StepSampler(
        len(pixels), settings.batch, settings.epochs, trainer.seed, first_step, distributed.rank(), distributed.world()
    )
    workers, pinned = loading.workers(settings, trainer.device), trainer.device.type == "cuda"
    return DataLoader(
        ViewsDataset(pixels, trainer.layout, grid, trainer.seed, kept=KEPT if workers and pinned else 0),
        batch_size=None,  # an item of the data set is a batch
        sampler=sampler,
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        pin_memory=pinned,
        worker_init_fn=worker.begin,
    )
