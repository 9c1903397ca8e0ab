"""Batches as a training's loader delivers them, timed from the arrival of one to the arrival of a later one."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.timing import wait_for
from ground.errors import UserError
from pretrain.training.feeding import Feed
from pretrain.training.loop import Trainer, make_loader
from pretrain.views.dataset import Batch
from pretrain.views.pictures import Pictures

WARM = {"cuda": 5, "cpu": 1}
"""Steps at least before those that are timed: a step is recorded at the fourth."""
WARM_ROUNDS, ROUNDS = {"cuda": 2, "cpu": 1}, {"cuda": 2, "cpu": 3}
"""Batches of each worker before those that are timed, and timed. Where memory is pinned, that of its first three is
new, and it is at its third when its second is taken."""


@dataclass(frozen=True)
class Turn:
    """What came of one turn."""

    speed: float
    """Images a second."""
    waiting: float
    """Share of the time in which the device waited for a batch."""
    cores: float | None = None
    """Processor seconds of the workers a second, where the system tells."""


@dataclass
class StandIn:
    """A device that is not there: it takes so many seconds for a batch, and no core, for the host sleeps."""

    seconds: float
    free: float = 0.0

    def __call__(self, batch: Batch) -> None:
        """Be at work on ``batch``."""
        self.free = max(self.free, time.perf_counter()) + self.seconds
        time.sleep(max(self.free - time.perf_counter(), 0.0))


def delivered(trainer: Trainer, pictures: Pictures, use: Callable[[Batch], object]) -> Turn:
    """``use`` of one batch after the other, from a loader with worker processes that is started for it.

    Workers begin together, so batches come in bursts at first: as many are timed as make whole rounds of all workers.

    Args:
        trainer: whose loader it is.
        use: of a batch; on a GPU it may return before the work is done.
    """
    workers, device = int(trainer.config.train.workers), trainer.device
    first = max(WARM_ROUNDS[device.type] * workers, WARM[device.type])
    last = first + ROUNDS[device.type] * workers
    feed, marks = Feed(make_loader(trainer, pictures, 0), device), []
    for number, batch in enumerate(feed):
        if isinstance(batch, UserError):
            raise batch
        if number in (first, last):
            wait_for(device)
            marks.append((time.perf_counter(), feed.waited(), _processor_seconds()))
        if number == last:
            break
        use(batch)
    (began, waited, spent), (ended, waited_then, spent_then) = marks
    seconds = ended - began
    images = (last - first) * trainer.config.train.batch
    at_work = None if spent is None or spent_then is None else (spent_then - spent) / seconds
    return Turn(images / seconds, (waited_then - waited) / seconds, at_work)


def held(work: Callable[[], object], images: int, device: torch.device, times: int) -> Turn:
    """``work`` on a batch that lies ready, ``times`` times."""
    for _ in range(WARM[device.type]):
        work()
    wait_for(device)
    began = time.perf_counter()
    for _ in range(times):
        work()
    wait_for(device)
    return Turn(images * times / (time.perf_counter() - began), 0.0)


def _processor_seconds() -> float | None:
    """Of all child processes, which are the workers, with all their threads; None where the system does not tell."""
    try:
        threads = [
            thread.read_text()
            for child in multiprocessing.active_children()
            for thread in Path(f"/proc/{child.pid}/task").glob("*/schedstat")
        ]
    except OSError:
        return None
    return sum(int(each.split()[0]) for each in threads) / 1e9 if threads else None
