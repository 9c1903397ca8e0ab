"""What the harness asks of every run, as hooks of mmengine's runner."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from ground import distributed, stopping
from ground.errors import DivergedError
from ground.progress import Report
from ground.seeding import derive_seed
from ground.stopping import Stopped
from transfer.facts import Facts

Batch = dict[str, Any]
Losses = dict[str, Tensor]
"""Scalars by name: ``loss`` and its parts, accuracies."""


class Guard(Hook):
    """Stops at a file or a loss at fault; makes what a step draws (dropout) a function of seed and iteration."""

    priority = "HIGH"

    def __init__(self, task: str, seed: int) -> None:
        self.task, self.seed = task, seed

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Batch | None = None) -> None:
        """Seed torch's global generators. Several processes draw apart from one another.

        Raises:
            DataError: a file of the batch is at fault.
        """
        _raise_fault(data_batch)
        torch.manual_seed(derive_seed(self.task, "step", self.seed, runner.iter, distributed.rank()))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Batch | None = None, outputs: Losses | None = None
    ) -> None:
        """Stop all processes together at a loss that is not finite in one of them.

        Raises:
            DivergedError: there is one.
        """
        losses = {name: value for name, value in (outputs or {}).items() if "loss" in name}
        found = distributed.mean(torch.stack([value.detach().mean() for value in losses.values()])).tolist()
        if not all(map(math.isfinite, found)):
            said = ", ".join(f"{name} {value:.3g}" for name, value in zip(losses, found, strict=True))
            names = ", ".join(Path(sample.img_path).stem for sample in (data_batch or {}).get("data_samples", []))
            where, remedy = f"iteration {runner.iter + 1}", "Lower `schedule.base_lr`."
            raise DivergedError(where, f"{said} on images {names}", remedy)

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Batch | None = None) -> None:
        """Look for a fault, or a request to stop; the checkpoint of the last iteration is there.

        Raises:
            DataError: a file of the batch is at fault.
        """
        _raise_fault(data_batch)
        stopping.check()


def _raise_fault(batch: Batch | None) -> None:
    if batch and "fault" in batch:
        raise batch["fault"]


class Own(Hook):
    """Checkpoints hold tensors and plain values alone, so that loading one runs no code, and say whose they are.

    Args:
        run: what it says.
    """

    def __init__(self, run: Facts) -> None:
        self.run = run

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Leave out mmengine's history of logged numbers (pickled objects; nothing but its log goes on from it)."""
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
        checkpoint["meta"]["run"] = self.run.state_dict()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuse what another run has left: mmengine would go on from it, with its seed.

        Raises:
            WeightsError: it is of another run.
        """
        self.run.load_state_dict(checkpoint["meta"]["run"])


class Leave(Hook):
    """A request to stop is met after an iteration, by all processes after the same one."""

    priority = "LOWEST"  # after the step of the schedule and the checkpoint that is due; register it after ``Tell``

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Batch | None = None, outputs: Losses | None = None
    ) -> None:
        """Save all that is needed to go on.

        Raises:
            Stopped: somebody asked.
        """
        reason = distributed.asked(torch.device(runner.cfg.run.device))  # ``Guard`` has waited for the device
        if reason and runner.iter + 1 < runner.max_iters:
            runner.save_checkpoint(runner.work_dir, "checkpoint.pt", by_epoch=False)
            raise Stopped(reason)


class Tell(Hook):
    """The first process reports every iteration and test image and writes TensorBoard curves."""

    priority = "LOW"  # before the checkpoint of the same iteration: what goes on from it does not tell of it again

    def __init__(self, report: Report, folder: Path, iterations: int) -> None:
        self.report, self.folder, self.iterations = report, folder, iterations
        self.tests = 0
        self.curves: SummaryWriter | None = None
        self.lr = 0.0

    def before_train(self, runner: Runner) -> None:
        """Open the curves; what a killed attempt wrote beyond its checkpoint is hidden."""
        if distributed.rank() == 0 and runner.iter < self.iterations:
            self.curves = SummaryWriter(str(self.folder), purge_step=runner.iter + 1)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Batch | None = None) -> None:
        """Note the rate of the step to come."""
        self.lr = runner.optim_wrapper.get_lr()["lr"][0]

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Batch | None = None, outputs: Losses | None = None
    ) -> None:
        """One more iteration is done."""
        if self.curves is None:
            return
        step = runner.iter + 1
        numbers = {name: value.item() for name, value in (outputs or {}).items()} | {"lr": self.lr}
        for name, value in numbers.items():
            self.curves.add_scalar(f"train/{name}", value, step)
        self.report(step, self.iterations + self.tests, loss=numbers["loss"], lr=self.lr)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Curves on disk reach as far as the checkpoint."""
        if self.curves is not None:
            self.curves.flush()

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Batch | None = None, outputs: Any = None
    ) -> None:
        """One more image of this process is tested; the others are as far."""
        if distributed.rank() == 0:
            tested = min((batch_idx + 1) * distributed.world(), self.tests)
            self.report(self.iterations + tested, self.iterations + self.tests)

    def close(self) -> None:
        """Write what is buffered."""
        if self.curves is not None:
            self.curves.close()
