"""A table as data: what every renderer reads. Building one from runs is all the statistics there is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

from results.labels import distinct
from results.layout import Column, Layout, Row, reference
from results.published import Published
from results.runs import Run, check, done, duplicates, mixtures, value

if TYPE_CHECKING:
    from results.judgement import Judgement

__all__ = ["Cell", "Compare", "Line", "Run", "Table", "build"]

Compare = Literal["none", "published", "statistics"]

# What an empty cell says when its runs are in different states: the first of these that one of them is in.
TELLING = ("running", "failed", "blocked", "preempted", "interrupted", "queued", "no data", "stale")

COMPARABLE = "paper"
"""The one profile whose numbers may be held against the published ones."""

SINGLE = "A cell of one run has no ±."

SHOWN = 3
"""Failed runs that a table names."""

MARK = "!"
"""Beside a cell some of whose runs have learnt nothing."""

Statistics = dict[tuple[str, str, str], tuple[float, float | None, tuple[float, ...], int]]
"""(recipe, task, metric) → mean, sample standard deviation (None for one value), the values, number of runs."""


@dataclass(frozen=True)
class Cell:
    """One number of a table, with everything behind it."""

    mean: float | None
    std: float | None
    """Sample standard deviation (n − 1) of ``values``; None with fewer than two."""
    n: int
    """Finished runs."""
    expected: int
    """Runs the protocol asks for, of all pre-trainings."""
    state: str
    """``done``, ``not implemented``, ``duplicate`` where repeats are copies of each other, or the state of the runs
    that are not done."""
    runs: tuple[Run, ...]
    published: Published | None
    values: tuple[float, ...] = ()
    """What mean and std are of: the runs of one pre-training or, where there are several, each one's mean."""
    pretrainings: int = 1
    """Pre-trainings behind the cell. They are never pooled with their fine-tunings."""
    zeros: int = 0
    """Finished runs that ended at 0; like those of ``constants`` they count as every other run does."""
    constants: int = 0
    """Others of them that did no better than one class everywhere (`Run.constant`)."""


@dataclass(frozen=True)
class Line:
    """One row, with one cell for each column."""

    row: Row
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A whole table. ``notes`` say what a reader must know before comparing numbers."""

    name: str
    title: str
    number: int | None
    """The paper's number of this table."""
    profile: str
    data: str
    tool: str
    decimals: int
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    comparable: bool
    """Whether the numbers may be held against the published ones."""
    overrides: tuple[str, ...]
    """Settings that were changed by hand."""
    notes: tuple[str, ...]
    baseline: str = ""
    """Recipe that the others are compared with."""
    compare: Compare = "published"
    """What stands beside ours."""
    deviations: bool = True
    """Whether cells show ±."""
    judgement: Judgement | None = None
    """What the statistics say; there if ``compare`` is ``statistics``."""


def build(
    layout: Layout,
    runs: Iterable[Run],
    *,
    expected: Mapping[str, int],
    known_recipes: Collection[str],
    known_tasks: Collection[str],
    profile: str,
    data: str,
    deviations: Sequence[str] = (),
    overrides: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Table:
    """The table of ``layout`` filled with ``runs``; runs of other recipes and tasks are left aside.

    Args:
        layout: rows and columns.
        runs: finished and unfinished runs, in any order.
        expected: task → number of runs that the protocol asks for; every known task.
        known_recipes: rows of other recipes say ``not implemented``.
        known_tasks: columns of other tasks say ``not implemented``.
        profile: the scale of the runs.
        data: words for the data behind the table.
        deviations: what departs from the paper's protocol besides a profile that is not ``paper``, in a few words each.
        overrides: settings that were changed by hand, for the reader.
        notes: lines to add below the table.

    Raises:
        RunsError: runs that must not share a table, or a finished run without one of its numbers.
    """
    shown = _shown(layout, runs)
    check(shown, profile)
    copied = duplicates(shown)
    behind = _Behind(layout, shown, expected, known_recipes, known_tasks, copied.keys())
    lines = tuple(Line(row, tuple(behind.cell(row, column) for column in layout.columns)) for row in layout.rows)
    departures = [*([] if profile == COMPARABLE else [f"profile {profile}"]), *deviations]
    warning = [f"Not comparable with the published numbers: {'; '.join(departures)}."] if departures else []
    return Table(
        name=layout.name,
        title=layout.title,
        number=layout.published_table,
        profile=profile,
        data=data,
        tool=_tools(shown),
        decimals=layout.decimals,
        columns=layout.columns,
        lines=lines,
        comparable=not departures,
        overrides=tuple(overrides),
        notes=(
            *warning,
            *layout.notes,
            *notes,
            *chain.from_iterable(copied.values()),
            *_nothing_learnt(layout, lines),
            *_caveats(lines, shown),
        ),
        baseline=layout.baseline if layout.baseline in layout.recipes else next(iter(layout.recipes), ""),
        deviations=layout.deviations,
    )


def _shown(layout: Layout, runs: Iterable[Run]) -> list[Run]:
    """Those of the layout's recipes and tasks, in its order."""
    recipes, tasks = layout.recipes, layout.tasks
    shown = [run for run in runs if run.recipe in recipes and run.task in tasks]
    return sorted(shown, key=lambda run: (recipes.index(run.recipe), tasks.index(run.task), run.pretraining, run.run))


class _Behind:
    """What is behind the cells of a table; ``copied``: (recipe, task) whose repeats are copies of each other."""

    def __init__(
        self,
        layout: Layout,
        shown: Sequence[Run],
        expected: Mapping[str, int],
        known_recipes: Collection[str],
        known_tasks: Collection[str],
        copied: Collection[tuple[str, str]],
    ) -> None:
        self.layout, self.expected, self.copied = layout, expected, copied
        self.known_recipes, self.known_tasks = known_recipes, known_tasks
        self.runs: dict[tuple[str, str], list[Run]] = {}
        for run in shown:
            self.runs.setdefault((run.recipe, run.task), []).append(run)
        self.pretrainings = {place: len({run.pretraining for run in own}) for place, own in self.runs.items()}
        counted = [run for run in done(shown) if (run.recipe, run.task) not in copied]
        several = {place for place, number in self.pretrainings.items() if number > 1}
        self.statistics = _aggregate(layout, counted, several)

    def cell(self, row: Row, column: Column) -> Cell:
        """The number of a row and a column, or why there is none."""
        place, there = (row.recipe, column.task), reference(self.layout, row, column)
        if row.recipe not in self.known_recipes or column.task not in self.known_tasks:
            return Cell(None, None, 0, 0, "not implemented", (), there)
        own, several = tuple(self.runs.get(place, ())), self.pretrainings.get(place, 1)
        wanted = self.expected[column.task] * several
        if place in self.copied:
            return Cell(None, None, 0, wanted, "duplicate", own, there)
        mean, std, values, n = self.statistics.get((*place, column.metric), (None, None, (), 0))
        zeros = [run for run in done(own) if value(run, column.metric) == 0]
        constants = sum(run.constant for run in done(own) if run not in zeros)
        state = _state(own, n, wanted)
        return Cell(mean, std, n, wanted, state, own, there, values, several, len(zeros), constants)


def _aggregate(layout: Layout, finished: Sequence[Run], several: Collection[tuple[str, str]]) -> Statistics:
    """``several``: cells that are planned with more than one pre-training."""
    observations = [
        (
            run.recipe,
            run.task,
            column.metric,
            run.pretraining,
            (run.recipe, run.task) in several,
            value(run, column.metric),
        )
        for run in finished
        for column in layout.columns
        if column.task == run.task
    ]
    if not observations:
        return {}
    import pandas as pd

    cell = ["recipe", "task", "metric"]
    frame = pd.DataFrame(observations, columns=[*cell, "pretraining", "nested", "value"])
    nested = frame[frame["nested"]].groupby([*cell, "pretraining"], sort=False)["value"].mean().reset_index()
    grouped = pd.concat([frame[~frame["nested"]], nested]).groupby(cell, sort=False)["value"]
    summary = pd.DataFrame({"mean": grouped.mean(), "std": grouped.std(ddof=1), "values": grouped.agg(tuple)})
    summary["n"] = frame.groupby(cell, sort=False)["value"].count()
    return {
        (recipe, task, metric): (
            float(mean),
            float(std) if len(values) > 1 else None,
            tuple(map(float, values)),
            int(n),
        )
        for (recipe, task, metric), mean, std, values, n in summary.itertuples(name=None)
    }


def _state(runs: Sequence[Run], n: int, expected: int) -> str:
    if n >= expected:
        return "done"
    states = {run.state for run in runs}
    return next((state for state in TELLING if state in states), "missing")


def _tools(runs: Iterable[Run]) -> str:
    return ", ".join(sorted({run.tool for run in done(runs)}))


def _spreads(cells: Sequence[Cell]) -> list[str]:
    """Which variance ± holds."""
    said = []
    own = {cell.pretrainings > 1 for cell in cells if cell.std is not None}
    if False in own:
        said.append(
            "± is the sample standard deviation (n − 1) over fine-tuning runs of one pre-training; the spread between "
            "pre-trainings is not in it."
        )
    if True in own:
        numbers = sorted({cell.pretrainings for cell in cells if cell.pretrainings > 1})
        said.append(
            f"± of cells of {' or '.join(map(str, numbers))} pre-trainings is the sample standard deviation (n − 1) "
            "over pre-trainings, each the mean of its fine-tuning runs: it holds the spread between pre-trainings and "
            "a share of fine-tuning's. All are fine-tuned with the same seeds, whose common effect is not in it."
        )
    return said


def _nothing_learnt(layout: Layout, lines: Sequence[Line]) -> list[str]:
    """A note on each number of runs that have learnt nothing, with the cells that it is of."""
    labels = distinct(line.row for line in lines)
    found: dict[str, dict[str, list[str]]] = {}
    for line in lines:
        for column, cell in zip(layout.columns, line.cells, strict=True):
            for number, what in (
                (cell.zeros, "ended at 0"),
                (cell.constants, "did no better than one class everywhere"),
            ):
                if number:
                    cells = found.setdefault(f"{number} of {cell.n} runs {what}", {})
                    cells.setdefault(f"{labels[line.row.recipe]}, {column.task}", []).append(column.metric)
    said = []
    for words, cells in found.items():
        where = "; ".join(f"{cell} {' '.join(metrics)}" for cell, metrics in cells.items())
        said.append(f"{MARK}: {words}, and count like the others: {where}.")
    return said


def _failures(runs: Iterable[Run]) -> list[str]:
    """A line for each class of failure, with some of its runs."""
    failed: dict[str, list[str]] = {}
    for run in runs:
        if run.state == "failed":
            failed.setdefault(f" ({run.failure})" if run.failure else "", []).append(run.path)
    return [
        f"Failed{kind}: {', '.join(paths[:SHOWN])}{f' and {len(paths) - SHOWN} more' if len(paths) > SHOWN else ''}."
        for kind, paths in failed.items()
    ]


def _caveats(lines: Sequence[Line], runs: Sequence[Run]) -> list[str]:
    cells = [cell for line in lines for cell in line.cells]
    caveats = []
    caveats += _spreads(cells)
    if any(cell.n == 1 for cell in cells):
        caveats.append(SINGLE)
    if any(0 < cell.n < cell.expected for cell in cells):
        caveats.append("(k/n): only k of the n runs of the protocol are finished.")
    if any(cell.n for cell in cells):
        caveats.append(f"Fine-tuned and evaluated with {_tools(runs)}.")
        caveats.append("Seeds label repeats: on a CPU the same versions give the same bits, a GPU may not.")
    caveats += mixtures(runs)
    caveats += _failures(runs)
    return caveats
