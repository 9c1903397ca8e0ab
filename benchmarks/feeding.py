"""From image files to trained images: loader and training step at once, beside the same step on a batch that is ready.

Where there is no GPU a stand-in for one takes batches, too: it sleeps as long as the GPU would compute.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.base import Options, Section, Spread, ratio, say
from benchmarks.delivery import ROUNDS, StandIn, Turn, delivered, held
from benchmarks.input_pipeline import written
from benchmarks.timing import device_of, release
from benchmarks.training import build, settings
from ground import cores
from harness import profiles, throughput
from pretrain import data
from pretrain.config import PretrainConfig
from pretrain.training.loop import Trainer, make_loader
from pretrain.views import loading, region
from pretrain.views.cache import make
from pretrain.views.dataset import Batch
from pretrain.views.pictures import Files, Picture, Pictures

BATCH, STAND_IN_BATCH = {"cuda": 512, "cpu": 4}, 64
INVENTED = 64
BY_ITSELF = {("paper", "pixcon-sr"): 2368.0}
"""Images a second of one H200 on views that lie ready, each step measured by itself (docs/performance.md)."""
LOADERS = 15
"""Processes that cut views on 16 cores beside one GPU: what `train.workers: auto` makes of them."""
COLUMNS = (
    "recipe", "images", "resampler", "who takes them", "batch", "workers", "asked for, images/s", "images/s",
    "of ready", "waiting, %", "cores at work", "images/s and core", "margin",
)  # fmt: skip
TRAINER, NOBODY, STAND_IN = "the trainer", "nobody: as they come", "simulated: a stand-in that sleeps"
STAND_INS = {STAND_IN: 1.0, f"{STAND_IN}, twice as fast": 2.0}
"""By how much more than its share of a GPU each asks of a core: twice is what cores half as fast would have to give."""
Way = tuple[str, str]
"""Where images come from, and ``views.resampler``."""
WAYS: tuple[Way, ...] = (("files", "torch"), ("kept", "torch"), ("files", "pillow"), ("kept", "pillow"))
HELD: Way = ("on the host already", "")


@dataclass(frozen=True)
class Repeated:
    """Pictures again and again, until there are enough for a batch."""

    pictures: Pictures
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Picture:
        return self.pictures[index % len(self.pictures)]


@dataclass(frozen=True)
class Gpu:
    """The one that is fed, or that a stand-in stands for: its rate on what it does all day."""

    rate: float
    source: str


def measure(options: Options) -> Section:
    """What reaches the step of each recipe asked for (PixCon-SR if none is)."""
    device, toy = device_of(options), options.size == "toy"
    section = options.begin("feeding", "From image files to trained images", COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        photographs = list(data.images(Path(options.images))) if options.images else []
        paths = photographs or written(Path(folder), 4 if toy else INVENTED)
        files = Files(paths)
        decoded = f"decoded whole: {region.why_not()}" if region.why_not() else "decoded as far as they are shown"
        kept = make(files, Path(folder) / "cache", cores.share(), lambda _: None, say)
        sources: dict[str, Pictures] = {"files": files, "kept": kept}
        kind = "photographs" if photographs else f"invented pictures of 640 x 480, {_bits(paths):.1f} bits a pixel"
        section.notes += _notes(device, f"{len(files)} {kind}, in the page cache; files are {decoded}")
        sizes = options.batches or ((4,) if toy else (BATCH[device.type],))
        for recipe, batch in product(options.recipes or ("pixcon-sr",), sizes):
            gpu = _gpu(options, recipe)
            section.notes += [f"{recipe}: {gpu.rate:.0f} images/s on one GPU, {gpu.source}."] * (device.type == "cpu")
            comparison = _Comparison(options, settings(options, recipe, batch, device), device, sources, gpu)
            try:
                comparison.measure()
            finally:  # what came until then, if it is stopped
                section.rows += comparison.rows()
    return section


def _bits(paths: list[Path]) -> float:
    """Bits a pixel of invented pictures."""
    return median(8 * path.stat().st_size / (640 * 480) for path in paths)


def _gpu(options: Options, recipe: str) -> Gpu:
    """The most that one H200 was seen to do of a recipe at the batch of its profile."""
    config = profiles.load(options.profile).recipe(recipe)
    pace = throughput.of(config, options.profile, "h200")
    benched = Gpu(config.train.batch / pace.seconds(config.train.batch), pace.source)
    alone = BY_ITSELF.get((options.profile, recipe), 0.0)
    return benched if benched.rate >= alone else Gpu(alone, "measured on NVIDIA H200, the step by itself")


class _Comparison:
    """A recipe's ways from images to its step, in turn."""

    def __init__(
        self, options: Options, config: PretrainConfig, device: torch.device, sources: dict[str, Pictures], gpu: Gpu
    ) -> None:
        self._options, self._config, self._device, self._sources, self._gpu = options, config, device, sources, gpu
        self._training = build(config, device)
        auto = config.train.model_copy(update={"workers": "auto"})
        self._workers = max(loading.workers(auto, device), 1)
        self._alone = (config.train.batch, self._workers)
        if device.type == "cpu":  # where nothing else computes: as large as its bursts may be, on all cores
            size = config.train.batch if options.size == "toy" else STAND_IN_BATCH
            self._alone = (size, min(cores.share(), loading.MOST_WORKERS))
        self._whole = 0  # turns that came to their end
        self._found: dict[tuple[Way, str], list[Turn]] = {}
        self._asked: dict[tuple[Way, str], list[float]] = {}

    def measure(self) -> None:
        """All, turn by turn."""
        for turn in range(self._options.repeats):
            say(f"feeding: {self._config.recipe}, turn {turn + 1} of {self._options.repeats}")
            for way, who, found in self._turn():
                self._found.setdefault((way, who), []).append(found)
                say(f"{' '.join(way).strip()}, {who}: {found.speed:.1f} images/s, {found.waiting:.1%} waiting")
                release(self._device)
            self._whole += 1

    def rows(self) -> list[dict[str, Any]]:
        """Of the turns that came to their end, or of a first one that did not."""
        whole = slice(max(self._whole, 1))
        self._found = {key: found[whole] for key, found in self._found.items()}
        self._asked = {key: asked[whole] for key, asked in self._asked.items()}
        return [self._row(way, who, found) for (way, who), found in self._found.items()]

    def _turn(self) -> Iterator[tuple[Way, str, Turn]]:
        yield HELD, TRAINER, self._ready()
        simulated, own = self._device.type == "cpu", self._config.views.resampler
        ways = [way for way in WAYS if simulated or way[1] == own]
        for way in ways[:2] if self._options.size == "toy" else ways:
            if way[1] == own:  # a step on a CPU takes seconds
                yield way, TRAINER, delivered(*self._loading(way, self._config.train.batch, self._workers), self._train)
            alone = delivered(*self._loading(way, *self._alone), lambda _: None)
            yield way, NOBODY, alone
            for who, times in STAND_INS.items() if simulated else ():
                asked = times * self._gpu.rate * (alone.cores or self._alone[1]) / LOADERS
                found = delivered(*self._loading(way, *self._alone), StandIn(self._alone[0] / asked))
                self._asked.setdefault((way, who), []).append(asked)
                yield way, who, found

    def _ready(self) -> Turn:
        """The step on the first batch that the loader gives, again and again."""
        size = self._config.train.batch
        batch = next(iter(make_loader(*self._loading(WAYS[0], size, self._workers), 0)))
        if isinstance(batch, Exception):
            raise batch
        return held(lambda: self._train(batch), size, self._device, ROUNDS[self._device.type] * self._workers)

    def _train(self, batch: Batch) -> None:
        self._training.batch = batch
        self._training.step()

    def _loading(self, way: Way, batch: int, workers: int) -> tuple[Trainer, Pictures]:
        """The trainer as one that loads so, and what it loads."""
        images, resampler = way
        trainer = copy.copy(self._training.trainer)
        views = trainer.config.views.model_copy(update={"resampler": resampler})
        train = trainer.config.train.model_copy(update={"batch": batch, "workers": workers})
        trainer.config = trainer.config.model_copy(update={"views": views, "train": train})
        trainer.layout = copy.copy(trainer.layout)
        trainer.layout.views = views
        pictures = self._sources[images]
        return trainer, Repeated(pictures, max(len(pictures), batch))

    def _row(self, way: Way, who: str, found: list[Turn]) -> dict[str, Any]:
        row: dict[str, Any] = {"recipe": self._config.recipe, "images": way[0], "resampler": way[1]}
        size, workers = (self._config.train.batch, self._workers) if who == TRAINER else self._alone
        row |= {"who takes them": who, "batch": size, "images/s": _speed(found)}
        if way == HELD:
            return row
        row |= {"workers": workers, "waiting, %": Spread(tuple(100 * each.waiting for each in found))}
        if who == TRAINER:
            return row | {"of ready": ratio(_speed(found), _speed(self._found[HELD, TRAINER]))}
        at_work = tuple(each.cores for each in found if each.cores is not None)
        told = len(at_work) == len(found)
        row |= {"cores at work": Spread(at_work)} if told else {}
        if who != NOBODY:
            asked = Spread(tuple(self._asked[way, who]))
            return row | {"asked for, images/s": asked, "margin": ratio(_speed(self._found[way, NOBODY]), asked)}
        row |= {"images/s and core": ratio(_speed(found), Spread(at_work))} if told else {}
        if self._device.type == "cuda":
            row["margin"] = ratio(_speed(found), _speed(self._found[HELD, TRAINER]))
        return row


def _speed(found: list[Turn]) -> Spread:
    return Spread(tuple(each.speed for each in found))


def _notes(device: torch.device, images: str) -> list[str]:
    notes = [
        f"{images}. The loader is the training's own, with worker processes, started anew for every "
        "turn and timed from batch to batch, whole rounds of all workers; all in turn, by the clock on the wall.",
        "Waiting is what a training tells: on a GPU the time in which it has nothing to do for want of a batch.",
    ]
    if device.type == "cuda":
        return [*notes, "Margin: what comes when nobody computes, over the step on a batch that is ready."]
    return [
        *notes,
        "Simulated: the stand-in takes a batch each `batch / asked for` seconds, and no core. Asked for is the GPU's "
        f"rate times the cores that the loader kept at work just before, by {LOADERS}: each core has to give what each "
        f"of the {LOADERS} that load beside a GPU on 16 cores would, and twice that. Other machines' cores are others.",
        "Margin: what comes when nobody computes, over what is asked for.",
    ]
