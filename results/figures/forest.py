"""Differences from a baseline with their intervals, one panel a column: what a table's ± cannot tell at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.figures.page import COLOURS, COLUMN, INK, RULE, SOFT, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE = 0.21
APART = COLOURS[1]


@dataclass(frozen=True)
class Entry:
    """A method less the baseline, in the metric's points.

    ``interval``: 95 % of this difference alone; ``simultaneous``: of all of the panel together; None where there is no
    deviation to take one from. ``apart``: told from the baseline after correction. ``published``: the paper's.
    """

    recipe: str
    difference: float
    interval: tuple[float, float] | None
    simultaneous: tuple[float, float] | None
    apart: bool
    published: float | None = None


@dataclass(frozen=True)
class Panel:
    """One column of a table."""

    title: str
    entries: tuple[Entry, ...]


@contextmanager
def draw(panels: Sequence[Panel], baseline: str, labels: Mapping[str, str]) -> Iterator[Figure]:
    """The figure; every panel has a scale of its own, and a line for every method that some panel has.

    Args:
        panels: at least one; a method may be in some of them only.
        baseline: what they are compared with, in words.
        labels: recipe → what it is called, in the order of the lines; may have more recipes than the panels.
    """
    there = {entry.recipe for panel in panels for entry in panel.entries}
    rows = {recipe: place for place, recipe in enumerate(recipe for recipe in labels if recipe in there)}
    published = any(entry.published is not None for panel in panels for entry in panel.entries)
    with figure(COLUMN, LINE * (len(rows) + 1) + 0.75) as drawn:
        grid = drawn.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, panel in zip(grid, panels, strict=True):
            _panel(axes, panel, rows)
        grid[0].set_yticks(range(len(rows)), [labels[recipe] for recipe in rows])
        grid[0].set_ylim(len(rows) - 0.4, -0.6)
        words = (
            f"difference from {baseline}, in points; thick: 95 % alone, thin: 95 % for all methods of a panel together"
        )
        more = "; hollow: published" if published else ""
        drawn.supxlabel(f"{words}; orange: told apart after Holm's correction{more}", fontsize=6.5, color=SOFT)
        yield drawn


def _panel(axes: Axes, panel: Panel, rows: Mapping[str, int]) -> None:
    axes.axvline(0, color=SOFT, linewidth=0.7)
    for entry in panel.entries:
        at, colour = rows[entry.recipe], APART if entry.apart else INK
        for interval, width in ((entry.simultaneous, 0.8), (entry.interval, 2.4)):
            if interval is not None:
                axes.plot(interval, (at, at), color=colour, linewidth=width, solid_capstyle="butt")
        axes.plot(entry.difference, at, "o", color=colour, markersize=4, markeredgecolor="white", markeredgewidth=0.6)
        if entry.published is not None:
            axes.plot(entry.published, at, "D", markersize=4, markerfacecolor="white", markeredgecolor=SOFT)
    axes.set_title(panel.title, pad=3)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=RULE, linewidth=0.4)
    axes.set_axisbelow(True)
