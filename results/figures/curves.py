"""Learning curves: the loss of each pre-training, and of fine-tunings as a mean with a band over their runs."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ground.errors import DataError
from results.figures.page import COLOURS, COLUMN, RULE, SOFT, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSSES = ("loss", "train/loss")
"""Names under which a training writes the loss it minimises."""
ACROSS = 4
"""Panels in a line."""
DASHES = ("-", "--", ":")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One run's loss at some steps, in order."""

    steps: Floats
    values: Floats


@dataclass(frozen=True)
class Band:
    """Several runs' loss at the steps that all of them have."""

    steps: Floats
    mean: Floats
    low: Floats
    high: Floats
    runs: int


def read(folder: Path) -> Series | None:
    """The loss in a folder of TensorBoard's event files; None if there is none.

    What a killed attempt wrote of steps that were done again is left out, as TensorBoard leaves it out.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not folder.is_dir():
        return None
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    with _quiet():
        events.Reload()
    tag = next((name for name in LOSSES if name in events.Tags()["scalars"]), None)
    if tag is None:
        return None
    # Files come by name, which tells two of one second apart by a number without leading zeros.
    latest = {scalar.step: scalar.value for scalar in sorted(events.Scalars(tag), key=lambda each: each.wall_time)}
    steps = sorted(latest)
    return Series(np.array(steps, dtype=float), np.array([latest[step] for step in steps], dtype=float))


@contextmanager
def _quiet() -> Iterator[None]:
    """TensorBoard without its warnings: that steps come again after a resume is as it should be."""
    logger = logging.getLogger("tensorboard")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def read_losses(path: Path) -> Series | None:
    """The losses in a run's ``curve.csv``; None if there are none.

    Raises:
        DataError: a line, such as one cut off at the end, is no step and loss.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except FileNotFoundError:
        return None
    latest: dict[float, float] = {}
    for number, line in enumerate(lines, 2):
        step, _, loss = line.partition(",")
        try:
            latest[float(step)] = float(loss)
        except ValueError:
            problem = f"line {number} (`{line}`) is no step and loss"
            raise DataError(path, problem, "Run again with --rerun retry, or do without its curve.") from None
    steps = sorted(latest)
    return Series(np.array(steps), np.array([latest[step] for step in steps])) if steps else None


def band(series: Sequence[Series], window: int = 1) -> Band:
    """Mean, least and greatest of several runs, each smoothed before, at their common steps.

    Args:
        series: at least one.
        window: steps of the running mean.
    """
    common = sorted(set.intersection(*(set(each.steps.tolist()) for each in series)))
    lines = np.stack([_at(each, common, window) for each in series])
    return Band(np.array(common), lines.mean(0), lines.min(0), lines.max(0), len(series))


def _at(series: Series, steps: Sequence[float], window: int) -> Floats:
    return running_mean(series.values, window)[np.isin(series.steps, steps)]


def running_mean(values: Floats, window: int) -> Floats:
    """Each value's mean with those up to half a window away; at the ends with as many as there are on both sides."""
    reach, last = window // 2, len(values) - 1
    widths = [min(reach, place, last - place) for place in range(len(values))]
    return np.array([values[at - width : at + width + 1].mean() for at, width in enumerate(widths)])


def window(series: Series) -> int:
    """A twentieth of a curve, at least one step."""
    return max(len(series.values) // 20, 1)


@contextmanager
def draw(
    pretraining: Mapping[str, Sequence[Series]], finetuning: Mapping[str, Mapping[str, Sequence[Series]]]
) -> Iterator[Figure]:
    """A panel for each pre-training, as losses differ in kind, and one for each task with all methods in it.

    Args:
        pretraining: method → its runs, one for each seed.
        finetuning: task → method → its runs.
    """
    upper, across = math.ceil(len(pretraining) / ACROSS), max(min(len(finetuning), 3), 1)
    lower = math.ceil(len(finetuning) / across)
    heights = [1.15 * upper] * bool(upper) + [2.3 * lower] * bool(lower)
    with figure(COLUMN, sum(heights) + 0.2) as drawn:
        parts = iter(np.atleast_1d(np.array(drawn.subfigures(len(heights), 1, height_ratios=heights), dtype=object)))
        colours = _colours(pretraining, finetuning)
        if upper:
            grid = next(parts).subplots(upper, ACROSS, squeeze=False)
            for axes, (method, runs) in zip(grid.flat, pretraining.items(), strict=False):
                _lines(axes, {method: runs}, colours)
                axes.set_title(method, pad=2)
            _blank(grid.flat[len(pretraining) :])
            for axes in grid[:, 0]:
                axes.set_ylabel("pre-training loss")
        if lower:
            grid = next(parts).subplots(lower, across, squeeze=False)
            for axes, (task, methods) in zip(grid.flat, finetuning.items(), strict=False):
                _lines(axes, methods, colours)
                axes.set_title(task, pad=3)
                axes.legend(ncols=2 if len(methods) > 5 else 1)
            _blank(grid.flat[len(finetuning) :])
            for axes in grid[:, 0]:
                axes.set_ylabel("fine-tuning loss")
        yield drawn


def _colours(*groups: Mapping[str, object]) -> dict[str, tuple[str, str]]:
    """Method → colour and dash, the same in every panel."""
    names = [*groups[0], *(name for task in groups[1].values() for name in task)]  # type: ignore[attr-defined]
    every = list(dict.fromkeys(names))
    return {name: (COLOURS[k % len(COLOURS)], DASHES[k // len(COLOURS) % len(DASHES)]) for k, name in enumerate(every)}


def _lines(axes: Axes, methods: Mapping[str, Sequence[Series]], colours: Mapping[str, tuple[str, str]]) -> None:
    for method, runs in methods.items():
        colour, dash = colours[method]
        found = band(runs, window(runs[0]))
        label = f"{method} ({found.runs})" if len(methods) > 1 else method
        if found.runs == 1:
            axes.plot(runs[0].steps, runs[0].values, color=colour, alpha=0.3, linewidth=0.6)
        else:
            axes.fill_between(found.steps, found.low, found.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(found.steps, found.mean, color=colour, linestyle=dash, label=label)
    axes.grid(axis="y", color=RULE, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_xlabel("step", color=SOFT)
    axes.locator_params(nbins=4)


def _blank(panels: Sequence[Axes]) -> None:
    for axes in panels:
        axes.set_visible(False)
