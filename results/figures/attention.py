"""Figure 1: images with a marked pixel, and beside each the similarity of all its cells to that pixel's, by model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from results.figures.page import COLUMN, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARK = "#ff2d2d"
MAP = "viridis"


@dataclass(frozen=True)
class Row:
    """One marked pixel. ``maps`` (S, S) in [0, 1] as drawn, one for each model, of the whole image."""

    image: NDArray[np.uint8]
    pixel: tuple[float, float]
    maps: tuple[NDArray[np.float32], ...]


@contextmanager
def draw(rows: Sequence[Row], models: Sequence[str]) -> Iterator[Figure]:
    """The figure: a line for each of ``rows``, a column for the image and one for each of ``models``."""
    columns = len(models) + 1
    cell = min(COLUMN / columns, 1.7)
    heights = [row.image.shape[0] / row.image.shape[1] for row in rows]
    with figure(cell * columns, cell * sum(heights) + 0.22) as drawn:
        drawn.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)  # type: ignore[union-attr, call-arg]
        grid = drawn.subplots(len(rows), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
        for line, row in enumerate(rows):
            height, width = row.image.shape[:2]
            grid[line, 0].imshow(row.image)
            for axes, similarities in zip(grid[line, 1:], row.maps, strict=True):
                axes.imshow(similarities, cmap=MAP, vmin=0, vmax=1, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
            for axes in grid[line]:
                mark(axes, row.pixel)
                bare(axes)
        for axes, title in zip(grid[0], ("image", *models), strict=True):
            axes.set_title(title, pad=3)
        yield drawn


def mark(axes: Axes, pixel: tuple[float, float]) -> None:
    """A ring with a white rim around a pixel: seen on any ground."""
    axes.plot(*pixel, "o", markersize=5.5, markerfacecolor="none", markeredgecolor="white", markeredgewidth=2.2)
    axes.plot(*pixel, "o", markersize=5.5, markerfacecolor="none", markeredgecolor=MARK, markeredgewidth=1.2)


def bare(axes: Axes) -> None:
    """No ticks and no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
