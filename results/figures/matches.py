"""Figure 2: at several epochs, the weakest matches of cells that both views show, and the similarity of all matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from results.figures.attention import bare
from results.figures.page import COLOURS, COLUMN, SOFT, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAP = "magma"
GAP = 0.06
"""Between the two views, in their widths."""


@dataclass(frozen=True)
class Line:
    """A match: pixels (x, y) of the query view and of the key view, and their similarity."""

    query: tuple[float, float]
    key: tuple[float, float]
    similarity: float


@dataclass(frozen=True)
class Epoch:
    """What one epoch's networks make of the views. ``similarities`` (G, G): of each query cell with its match."""

    title: str
    lines: tuple[Line, ...]
    similarities: NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """One image: its query and key view (S, S, 3), the query cells (G, G) that the key view sees, its epochs."""

    query: NDArray[np.uint8]
    key: NDArray[np.uint8]
    in_box: NDArray[np.bool_]
    epochs: tuple[Epoch, ...]


@contextmanager
def draw(blocks: Sequence[Block]) -> Iterator[Figure]:
    """The figure: a line for each epoch; for each image its matches and, beside them, their similarities."""
    most = max(blocks, key=lambda block: len(block.epochs))
    epochs, ratios = len(most.epochs), (2.0 + GAP, 1.0)
    unit = min(COLUMN / len(blocks) / sum(ratios), 1.3)
    with figure(unit * sum(ratios) * len(blocks) + 0.25, (unit + 0.16) * epochs + 0.25) as drawn:
        drawn.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)  # type: ignore[union-attr, call-arg]
        ratio = {"width_ratios": ratios * len(blocks)}
        grid = drawn.subplots(epochs, 2 * len(blocks), squeeze=False, gridspec_kw=ratio)
        for number, block in enumerate(blocks):
            left, right = grid[:, 2 * number], grid[:, 2 * number + 1]
            for axes, beside, epoch in zip(left, right, block.epochs, strict=False):
                _matches(axes, block, epoch)
                _similarities(beside, block, epoch)
            for axes in (*left[len(block.epochs) :], *right[len(block.epochs) :]):
                axes.set_visible(False)
            left[0].set_title("view 1 (query)          view 2 (key)", pad=3)
            right[0].set_title("qk sim.", pad=3)
        for axes, epoch in zip(grid[:, 0], most.epochs, strict=True):
            axes.set_ylabel(epoch.title)
        yield drawn


def _matches(axes: Axes, block: Block, epoch: Epoch) -> None:
    side = block.query.shape[0]
    gap = np.full((side, round(side * GAP), 3), 255, dtype=np.uint8)
    axes.imshow(np.concatenate([block.query, gap, block.key], axis=1))
    shift = side + gap.shape[1]
    _outline(axes, block)
    rim = [Stroke(linewidth=2.0, foreground="white"), Normal()]
    for line, colour in zip(epoch.lines, COLOURS, strict=False):
        xs, ys = (line.query[0], line.key[0] + shift), (line.query[1], line.key[1])
        axes.plot(xs, ys, "-", color=colour, linewidth=0.9, path_effects=rim)
        axes.plot(xs, ys, "o", color=colour, markersize=3.2, markeredgecolor="white", markeredgewidth=0.5)
    bare(axes)
    axes.set_xlim(-0.5, 2 * side + gap.shape[1] - 0.5)
    axes.set_ylim(side - 0.5, -0.5)


def _similarities(axes: Axes, block: Block, epoch: Epoch) -> None:
    """Each map on a scale of its own, which stands below it: what tells cells apart moves over a training."""
    side = block.query.shape[0]
    axes.imshow(epoch.similarities, cmap=MAP, extent=(-0.5, side - 0.5, side - 0.5, -0.5))
    _outline(axes, block)
    bare(axes)
    axes.set_xlabel(f"{epoch.similarities.min():.2f} to {epoch.similarities.max():.2f}", color=SOFT, labelpad=1.5)


def _outline(axes: Axes, block: Block) -> None:
    """A dashed line around the part of the query view that the key view shows, too."""
    rows, columns = np.nonzero(block.in_box)
    if len(rows):
        cell = block.query.shape[0] / len(block.in_box)
        corner = (columns.min() * cell - 0.5, rows.min() * cell - 0.5)
        extent = ((np.ptp(columns) + 1) * cell, (np.ptp(rows) + 1) * cell)
        axes.add_patch(Rectangle(corner, *extent, fill=False, edgecolor="white", linewidth=1.0, linestyle=(0, (3, 2))))
