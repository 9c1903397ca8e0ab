"""The figures that tables are drawn as: learning curves, differences from a baseline, method × task."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ground.config import suggest
from ground.errors import ConfigError, DataError
from harness import commands, status, tabulate
from harness import plan as planning
from harness.curve import CURVE
from harness.plan import Plan
from harness.store import Look, Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results.figures.curves import Series
    from results.figures.forest import Entry, Panel
    from results.statistics.contrasts import Difference
    from results.table import Table

CURVES = "curves"


@contextmanager
def chart(name: str, options: Namespace) -> Iterator[Figure]:
    """The figure ``curves``, ``forest`` or ``heatmap`` of the options' tables, from the runs that are finished.

    Raises:
        ConfigError: there is nothing to draw yet, or the baseline is no method of the table.
    """
    plan, store = planning.build(commands.request(options)), Store(Path(options.store))
    looks = status.survey(store, plan.jobs)
    if name == "curves":
        with curves(plan, store, looks) as drawn:
            yield drawn
    else:
        tables = tabulate.filled(plan, store, looks)
        with forest(tables, options.baseline) if name == "forest" else heatmap(tables) as drawn:
            yield drawn


@contextmanager
def curves(plan: Plan, store: Store, looks: dict[str, Look]) -> Iterator[Figure]:
    """Losses of the finished trainings."""
    from results.figures import curves as drawing
    from results.labels import distinct

    pretraining: dict[str, list[Series]] = {}
    finetuning: dict[str, dict[str, list[Series]]] = {}
    labels = distinct(row for layout in plan.layouts for row in layout.rows)
    for job in plan.jobs:
        if looks[job.name].state != "done" or job.recipe not in labels:
            continue
        folder = store.directory(job)
        try:
            series = drawing.read(folder / CURVES) or drawing.read_losses(folder / CURVE)
        except DataError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if series is None:
            continue
        if job.task is None:
            pretraining.setdefault(labels[job.recipe], []).append(series)
        else:
            task = finetuning.setdefault(job.task.replace("_", " "), {})
            task.setdefault(labels[job.recipe], []).append(series)
    if not pretraining and not finetuning:
        raise nothing()
    with drawing.draw(pretraining, finetuning) as drawn:
        yield drawn


@contextmanager
def heatmap(tables: list[Table]) -> Iterator[Figure]:
    """Means of all tables, method × task."""
    from results.figures import heatmap as drawing

    if not any(cell.n for table in tables for line in table.lines for cell in line.cells):
        raise nothing()
    with drawing.draw(tables) as drawn:
        yield drawn


@contextmanager
def forest(tables: list[Table], baseline: str | None) -> Iterator[Figure]:
    """Differences of the first table's methods from a baseline."""
    from results.figures import forest as drawing
    from results.labels import of_tables

    table = tables[0]
    labels = of_tables([table])
    chosen = baseline or table.baseline
    if chosen not in labels:
        raise ConfigError(f"--baseline {chosen}", f"is no method of {table.name}", suggest(chosen, list(labels)))
    panels = differences(table, chosen)
    if not panels:
        finished = [line.row.recipe for line in table.lines if any(cell.n for cell in line.cells)]
        raise _no_differences(chosen, labels[chosen], finished) if finished else nothing()
    with drawing.draw(panels, labels[chosen], labels) as drawn:
        yield drawn


def differences(table: Table, baseline: str) -> list[Panel]:
    """The contrasts of each column of a table in which the baseline and a method have runs, beside the paper's."""
    from results.figures.forest import Panel
    from results.statistics.column import analyse

    panels = []
    for at, column in enumerate(table.columns):
        groups = {line.row.recipe: line.cells[at].values for line in table.lines}
        published = _published(table, at, baseline)
        found = analyse(column.task, column.metric, groups, baseline)
        entries = tuple(_entry(each, published.get(each.method)) for each in found.differences)
        if entries:
            words = column.label if not column.group else f"{column.group} {column.label}"
            panels.append(Panel(words, entries))
    return panels


def _published(table: Table, at: int, baseline: str) -> dict[str, float]:
    """Recipe → the paper's difference from the baseline in a column, where it has both numbers."""
    cells = {line.row.recipe: line.cells[at].published for line in table.lines}
    means = {recipe: cell.mean for recipe, cell in cells.items() if cell is not None and cell.mean is not None}
    return {recipe: mean - means[baseline] for recipe, mean in means.items()} if baseline in means else {}


def _entry(found: Difference, published: float | None) -> Entry:
    from results.figures.forest import Entry

    alone, together = (
        (each.low, each.high) if each is not None else None for each in (found.interval, found.simultaneous)
    )
    apart = found.state in {"higher", "lower"}
    return Entry(found.method, found.difference, alone, together, apart, published)


def _no_differences(baseline: str, label: str, finished: list[str]) -> ConfigError:
    if baseline in finished:
        return ConfigError("figure forest", f"only {label} has finished runs", "Run another recipe as well.")
    others = " or ".join(f"--baseline {recipe}" for recipe in finished[:3])
    return ConfigError("figure forest", f"the baseline {label} has no finished run", f"Run it, or choose {others}.")


def nothing() -> ConfigError:
    """There is nothing to draw."""
    return ConfigError("figure", "no run of these tables is finished", "Run first: harness run, or make table1.")
