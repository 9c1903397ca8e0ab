"""What a step waits for its batch: measured where the loader hands it over, and what to do if it is much."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from ground.errors import UserError
from ground.progress import WAITED
from pretrain.config import PretrainConfig
from pretrain.view_config import InstanceViews, ObjectPairViews
from pretrain.views import region
from pretrain.views.dataset import Batch

log = logging.getLogger(__name__)
TIMES = ("images_per_second", "waits_for_images", WAITED)
"""What a training tells of its pace: another at every repetition."""
MUCH = 0.2
"""Share of a report interval above which a remedy is worth a line in the log: of the first, in which everything starts,
it is not."""


class HostClock:
    """Of a device that has nothing to do while the host waits."""

    def mark(self) -> float:
        """Now, in seconds."""
        return time.monotonic()

    def between(self, before: float, after: float) -> float | None:
        """Seconds from one mark to a later one."""
        return after - before


class DeviceClock:
    """Of a GPU, to which the host runs ahead: while the host waits it may be at work. A mark is an event in its stream,
    passed once all that was asked for before is done: two of them, one from before a wait and one from after it, lie as
    far apart as the GPU had nothing to do meanwhile. Nobody waits for an event."""

    def mark(self) -> Any:
        """A mark in the stream, passed once all before it is done."""
        event: Any = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, before: Any, after: Any) -> float | None:
        """Seconds from one mark to a later one; None as long as the GPU has not passed it."""
        return before.elapsed_time(after) / 1000 if after.query() else None


class Feed:
    """A loader's batches, and how long the device stood still for want of them.

    Args:
        loader: gives the batches.
        device: that works on them. On a CPU what counts is how long the host was held up.
    """

    def __init__(self, loader: Iterable[Batch | UserError], device: torch.device) -> None:
        self._loader = loader
        self._clock: HostClock | DeviceClock = DeviceClock() if device.type == "cuda" else HostClock()
        self._open: list[tuple[Any, Any]] = []
        self._seconds = 0.0

    def __iter__(self) -> Iterator[Batch | UserError]:
        batches = iter(self._loader)
        while True:
            before = self._clock.mark()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._open.append((before, self._clock.mark()))
            yield batch

    def waited(self) -> float:
        """Seconds so far, the first batch's included. Of a GPU only of what it has come to: all, where its losses were
        read just now."""
        while self._open and (seconds := self._clock.between(*self._open[0])) is not None:
            self._seconds += seconds
            del self._open[0]
        return self._seconds


class Pace:
    """How fast a training is and what of its time goes into waiting for images; says once what helps if that is much.

    Args:
        config: what the training does.
        workers: processes that cut its views.
        feed: where its batches come from.
        first: the step it begins with.
    """

    def __init__(self, config: PretrainConfig, workers: int, feed: Feed, first: int) -> None:
        self._config, self._workers, self._feed = config, workers, feed
        self._since, self._at, self._waited = time.monotonic(), first, 0.0
        self._starting, self._told = True, False

    def look(self, step: int) -> dict[str, float]:
        """``TIMES`` after ``step`` steps: two since the last look, the last one of the whole."""
        now, waited, steps = time.monotonic(), self._feed.waited(), step - self._at
        passed = max(now - self._since, 1e-9)
        share = min((waited - self._waited) / passed, 1.0)
        whole = steps >= self._config.train.log_every and not self._starting
        if share > MUCH and whole and not self._told:
            words = "step %d: %.0f %% of the time goes into waiting for images. %s"
            log.warning(words, step, 100 * share, self._advice())
            self._told = True
        self._since, self._at, self._waited, self._starting = now, step, waited, False
        return dict(zip(TIMES, (steps * self._config.train.batch / passed, share, waited), strict=True))

    def _advice(self) -> str:
        views, train = self._config.views, self._config.train
        harmless = [f"train.workers above {self._workers} if cores are idle"]
        if train.decode != "shown":
            harmless.append("train.decode: shown")
        elif train.cache == "off" and region.why_not():
            harmless.append(f"JPEGs decoded no further than they are shown: {region.REMEDY}")
        if train.cache == "off":
            harmless.append("train.cache: store, which keeps decoded images on disk")
        changing = ["views.resampler: torch"] if views.resampler != "torch" else []
        cuts_regions = isinstance(views.extra, ObjectPairViews | InstanceViews)
        changing += ["views.shorten"] if views.shorten is None and not cuts_regions else []
        words = f"What helps (--set pretrain.train.…) and changes no result: {'; '.join(harmless)}."
        changes = f" What changes pixels, and so the run's key: {'; '.join(changing)}."
        return words + (changes if changing else "")
