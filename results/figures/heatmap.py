"""Method × task: every mean of some tables in one picture, coloured by its place in its column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from results import labels
from results.figures.page import INK, SOFT, figure
from results.layout import Column, Row
from results.render.grid import ours
from results.table import Cell, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAP = "YlGnBu"
CELL = (0.82, 0.24)
LABEL = 1.35


SPREADS = 6.0
"""Least width of a column's colours, in stds of its runs: what lies within them is noise, and looks alike."""


def places(means: NDArray[np.float64], std: float) -> NDArray[np.float64]:
    """Where each number of a column lies on its scale, which is centred between the least and the greatest and reaches
    over both, and over ``SPREADS`` × ``std`` at least: 0 to 1. NaN stays, equal ones are 0.5."""
    low, high = np.nanmin(means), np.nanmax(means)
    width = max(high - low, SPREADS * std)
    if width == 0:
        return np.where(np.isnan(means), np.nan, 0.5)
    return 0.5 + (means - (low + high) / 2) / width


def _spread(cells: Sequence[Cell | None]) -> float:
    """Root mean square of the cells' stds; 0 where none has one."""
    stds = [cell.std for cell in cells if cell is not None and cell.std is not None]
    return float(np.sqrt(np.mean(np.square(stds)))) if stds else 0.0


@contextmanager
def draw(tables: Sequence[Table]) -> Iterator[Figure]:
    """The figure: methods and columns of all tables that have a number, each once."""
    columns, rows = _columns(tables), _rows(tables)
    with figure(LABEL + CELL[0] * len(columns), CELL[1] * (len(rows) + 3)) as drawn:
        axes = drawn.subplots()
        for at, (key, _) in enumerate(columns):
            cells = [found.get(key) for _, found in rows]
            means = np.array([np.nan if cell is None or cell.mean is None else cell.mean for cell in cells])
            placed = places(means, _spread(cells)) if not np.isnan(means).all() else means
            axes.imshow(
                placed[:, None],
                cmap=MAP,
                vmin=0,
                vmax=1,
                aspect="auto",
                extent=(at - 0.48, at + 0.48, len(rows) - 0.5, -0.5),
            )
            for line, (cell, place) in enumerate(zip(cells, placed, strict=True)):
                _say(axes, at, line, cell, float(place), tables[0].decimals)
        _frame(axes, [label for _, label in columns], [label for label, _ in rows])
        words = f"colours: within a column, over its range and {SPREADS:g} std of its runs at least"
        axes.set_xlabel(words, color=SOFT, fontsize=5.5)
        yield drawn


def _say(axes: Axes, at: int, line: int, cell: Cell | None, place: float, decimals: int) -> None:
    """The number in a cell, or why there is none."""
    words = "" if cell is None else ours(cell, decimals)
    colour = SOFT if cell is None or cell.mean is None else "white" if place > 0.6 else INK
    axes.text(at, line, words, ha="center", va="center", color=colour, fontsize=6.2)


def _frame(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for line in range(1, len(rows)):
        axes.axhline(line - 0.5, color="white", linewidth=1.2)


def _columns(tables: Sequence[Table]) -> list[tuple[tuple[str, str], str]]:
    """(task, metric) and the words over it, of columns that have a number."""
    first: dict[tuple[str, str], Column] = {}
    for table in tables:
        for place, column in enumerate(table.columns):
            if any(line.cells[place].mean is not None for line in table.lines):
                first.setdefault((column.task, column.metric), column)
    return [(key, _words(column)) for key, column in first.items()]


def _words(column: Column) -> str:
    return f"{column.group}\n{column.label}" if column.group else f"{column.task.replace('_', ' ')}\n{column.label}"


def _rows(tables: Sequence[Table]) -> list[tuple[str, dict[tuple[str, str], Cell]]]:
    """The label and the cells by (task, metric) of every recipe that has a number; the first table's number counts."""
    rows: dict[str, Row] = {}
    cells: dict[str, dict[tuple[str, str], Cell]] = {}
    for table in tables:
        for line in table.lines:
            rows.setdefault(line.row.recipe, line.row)
            own = cells.setdefault(line.row.recipe, {})
            for column, cell in zip(table.columns, line.cells, strict=True):
                key = (column.task, column.metric)
                if key not in own or own[key].mean is None:
                    own[key] = cell
    shown = [recipe for recipe in rows if any(cell.mean is not None for cell in cells[recipe].values())]
    return [(label, cells[recipe]) for recipe, label in labels.distinct(rows[recipe] for recipe in shown).items()]
