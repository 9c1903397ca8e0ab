"""The figures that tables are drawn as: learning curves, method × task."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ground.errors import ConfigError
from harness import commands, status, tabulate
from harness import plan as planning
from harness.plan import Plan
from harness.store import Look, Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results.figures.curves import Series
    from results.table import Table

CURVES = "curves"


@contextmanager
def chart(name: str, options: Namespace) -> Iterator[Figure]:
    """The figure ``curves`` or ``heatmap`` of the options' tables, from the runs that are finished.

    Raises:
        ConfigError: there is nothing to draw yet.
    """
    plan, store = planning.build(commands.request(options)), Store(Path(options.store))
    looks = status.survey(store, plan.jobs)
    if name == "curves":
        with curves(plan, store, looks) as drawn:
            yield drawn
    else:
        tables = tabulate.filled(plan, store, looks)
        with heatmap(tables) as drawn:
            yield drawn


@contextmanager
def curves(plan: Plan, store: Store, looks: dict[str, Look]) -> Iterator[Figure]:
    """Losses of the finished trainings."""
    from results.figures import curves as drawing

    pretraining: dict[str, list[Series]] = {}
    finetuning: dict[str, dict[str, list[Series]]] = {}
    labels = {row.recipe: row.label for layout in reversed(plan.layouts) for row in layout.rows}
    for job in plan.jobs:
        series = drawing.read(store.directory(job) / CURVES) if looks[job.name].state == "done" else None
        if series is None or job.recipe not in labels:
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


def nothing() -> ConfigError:
    """There is nothing to draw."""
    return ConfigError("figure", "no run of these tables is finished", "Run first: harness run, or make table1.")
