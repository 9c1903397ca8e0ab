"""detectron2's ``DefaultTrainer`` with its hooks, told where to begin and watched."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from detectron2.config import CfgNode
from detectron2.engine import AMPTrainer, DefaultTrainer, HookBase, SimpleTrainer, TrainerBase, create_ddp_model, hooks
from detectron2.utils import comm
from detectron2.utils.events import CommonMetricPrinter
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.utils.tensorboard import SummaryWriter

from ground import distributed, stopping
from ground.errors import DivergedError
from ground.files import storage_errors
from ground.progress import Report
from ground.stopping import Stopped
from transfer.detection.detectron2.checkpoints import Checkpointer
from transfer.detection.detectron2.data import Batches, Entry, Images, seed_network, train_loader
from transfer.detection_config import DetectionTask
from transfer.facts import Facts

PRINT_EVERY = 20
"""Iterations between two lines of detectron2's in the log: its own default."""


@dataclass(frozen=True)
class Run:
    """What a trainer needs to know besides detectron2's config."""

    config: DetectionTask
    seed: int
    images: Images
    """To train on."""
    part: slice
    """This process's share of every batch."""
    out: Path
    report: Report
    total: int
    """Of the run's progress, testing included."""


class Trainer(DefaultTrainer):
    """detectron2's loop, optimiser, schedule, precise BN, checkpoints and evaluation hook, in its order.

    Assembled here because ``DefaultTrainer.__init__`` gives every process a GPU, and starts its loader before it knows
    the iteration.
    """

    def __init__(
        self, cfg: CfgNode, run: Run, model: nn.Module, facts: Facts, test: Callable[[nn.Module], dict[str, Any]]
    ) -> None:
        TrainerBase.__init__(self)
        self.cfg, self.run, self.max_iter = cfg, run, cfg.SOLVER.MAX_ITER
        self.evaluate = test
        self.results: dict[str, Any] = {}
        self.latest: list[str] = []
        optimizer = self.build_optimizer(cfg, model)
        on_gpu = next(model.parameters()).is_cuda
        devices = [torch.cuda.current_device()] if on_gpu else None
        model = create_ddp_model(model, broadcast_buffers=False, device_ids=devices)
        if run.config.precision == "bf16":
            # bf16 has fp32's range: nothing to scale.
            scaler = GradScaler("cuda", enabled=False)
            self._trainer = AMPTrainer(model, None, optimizer, grad_scaler=scaler, precision=torch.bfloat16)
        else:
            self._trainer = SimpleTrainer(model, None, optimizer)
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.checkpointer = Checkpointer(model, cfg.OUTPUT_DIR, run=facts, trainer=weakref.proxy(self))
        self.register_hooks(self.build_hooks())  # before loading: the schedule's state is a hook's
        self.resume_or_load(resume=True)
        self.checkpointer.keep_last()
        self.data_loader = self._batches(self.start_iter, self._begin)

    def _batches(self, start: int, begin: Callable[[int, list[Entry]], None]) -> Batches:
        run = self.run
        return Batches(train_loader(run.config, self.cfg, run.images, run.seed, start, run.part), begin, start)

    def _begin(self, iteration: int, batch: list[Entry]) -> None:
        seed_network(self.run.config, self.run.seed, self.run.part)(iteration)
        self.latest = [Path(sample["file_name"]).name for sample in batch]

    def _begin_unlearnt(self, iteration: int, batch: list[Entry]) -> None:
        self._begin(iteration, batch)
        self.run.report(iteration, self.run.total)
        stopping.asked()  # seen: the checkpoint of the last iteration follows, and testing stops at once

    def build_hooks(self) -> list[HookBase]:
        """``DefaultTrainer``'s, with ours between."""
        cfg, period = self.cfg, self.cfg.SOLVER.CHECKPOINT_PERIOD
        wanted: list[HookBase] = [hooks.IterationTimer(), hooks.LRScheduler(), Watch(self.run)]
        if cfg.TEST.PRECISE_BN.ENABLED:
            # Batches that follow the last one trained on.
            unlearnt = self._batches(self.max_iter, self._begin_unlearnt)
            wanted.append(hooks.PreciseBN(0, self.model, unlearnt, cfg.TEST.PRECISE_BN.NUM_ITER))
        if comm.is_main_process():
            keeper = hooks.PeriodicCheckpointer(self.checkpointer, period, max_to_keep=1)
            if self.checkpointer.has_checkpoint():
                keeper.recent_checkpoints.append(self.checkpointer.get_checkpoint_file())
            wanted.append(keeper)
        wanted.append(Leave())
        wanted.append(EvalAtEnd(0, self._test))
        if comm.is_main_process():
            wanted.append(hooks.PeriodicWriter([CommonMetricPrinter(self.max_iter)], period=PRINT_EVERY))
        return wanted

    def run_step(self) -> None:
        """detectron2's step.

        Raises:
            DivergedError: a loss, a score or a box is not finite.
        """
        try:
            super().run_step()
        except FloatingPointError as error:
            problem = f"{' '.join(str(error).split()).rstrip('.')} on images {', '.join(self.latest)}"
            remedy = "Lower `schedule.base_lr` or raise `schedule.warmup_iterations`."
            raise DivergedError(f"iteration {self.iter + 1}", problem, remedy) from error

    def _test(self) -> dict[str, Any]:
        _share_statistics(self.model)
        self.results = self.evaluate(self.model)
        return self.results


def _share_statistics(model: nn.Module) -> None:
    """Processes that norm apart test with the first one's statistics, those of the checkpoint."""
    if comm.get_world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


class EvalAtEnd(hooks.EvalHook):
    """detectron2's, but a training that stops in its last iteration is not tested."""

    def after_train(self) -> None:
        """Test, if training is through."""
        if self.trainer.iter >= self.trainer.max_iter:
            super().after_train()


class Leave(HookBase):
    """A request to stop is met after an iteration, by all processes after the same one."""

    def after_step(self) -> None:
        """Save all that is needed to go on.

        Raises:
            Stopped: somebody asked.
        """
        trainer = self.trainer
        reason = distributed.asked(next(trainer.model.parameters()).device)  # the losses were read, so it has waited
        if reason and trainer.iter + 1 < trainer.max_iter:
            trainer.checkpointer.save(f"model_{trainer.iter:07d}", iteration=trainer.iter)
            raise Stopped(reason)


class Watch(HookBase):
    """Tells progress, and keeps the curves of losses and rate, one point an iteration, as TensorBoard scalars.

    What a killed attempt wrote beyond its checkpoint is hidden.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.curves: SummaryWriter | None = None

    def before_train(self) -> None:
        """Open the curves."""
        folder = self.run.out / "curves"
        if comm.is_main_process():
            with storage_errors(folder):
                self.curves = SummaryWriter(str(folder), purge_step=self.trainer.start_iter + 1)

    def after_step(self) -> None:
        """One point."""
        done = self.trainer.iter + 1
        numbers = self._numbers()
        if self.curves is not None:
            with storage_errors(self.run.out / "curves"):
                for name, value in numbers.items():
                    self.curves.add_scalar(f"train/{name}", value, done)
                if done % self.run.config.checkpoint_every == 0:
                    self.curves.flush()
        self.run.report(done, self.run.total, **{name: numbers[name] for name in ("loss", "lr") if name in numbers})

    def _numbers(self) -> dict[str, float]:
        """The step's loss, its parts and the rate; the losses are the first process's to know."""
        latest = self.trainer.storage.latest()
        wanted = {name: "loss" if name == "total_loss" else name for name in latest if "loss" in name or name == "lr"}
        return {wanted[name]: value for name, (value, _) in latest.items() if name in wanted}

    def after_train(self) -> None:
        """Close the curves."""
        if self.curves is not None:
            with suppress(OSError):  # a disk that is full has been reported
                self.curves.close()
