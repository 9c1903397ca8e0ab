"""For other programs: full precision, one header line, no notes; ``comparable`` says whether
the profile's numbers may be held against the published ones. ``wide`` is the table, ``long`` its observations."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from results.table import Table

if TYPE_CHECKING:
    from results.judgement import ColumnJudgement
    from results.statistics.estimates import Interval

JUDGED = (
    *("difference", "difference_low", "difference_high", "difference_p", "difference_state"),
    *("verdict", "verdict_difference", "verdict_low", "verdict_high", "verdict_p_different", "verdict_p_equivalent"),
)
"""From the baseline, its 95 % interval, p after Holm, what that says; and the cell beside the paper's, likewise, with
TOST's p. Where only directions are judged the verdict is a word alone."""


def wide(table: Table) -> str:
    """One line for each row; ten fields for each column, and those of ``JUDGED`` if the table has
    statistics. ``std`` is over ``pretrainings`` where there are several, else over ``n``. Empty: no number."""
    header = ["table", "profile", "comparable", "overrides", "data", "tool", "method", "recipe", "pretrain_data"]
    for column in table.columns:
        name = f"{column.task}.{column.metric}"
        header += [f"{name}.{field}" for field in ("mean", "std", "n", "pretrainings", "expected", "state")]
        header += [f"{name}.published_{field}" for field in ("mean", "std", "runs", "source")]
        header += [f"{name}.{field}" for field in JUDGED] if table.judgement else []
    lines: list[list[object]] = []
    for line in table.lines:
        row = line.row
        fields: list[object] = [table.name, table.profile, table.comparable, " ".join(table.overrides)]
        fields += [table.data, table.tool]
        fields += [row.label, row.recipe, row.pretrain_data]
        for place, cell in enumerate(line.cells):
            fields += [cell.mean, cell.std, cell.n, cell.pretrainings, cell.expected, cell.state]
            there = cell.published
            fields += [there.mean, there.std, there.runs, there.source] if there else [None] * 4
            fields += _judged(table.judgement.columns[place], row.recipe) if table.judgement else []
        lines.append(fields)
    return _write(header, lines)


def _judged(column: ColumnJudgement, recipe: str) -> list[object]:
    """The fields of ``JUDGED``, of a cell."""
    less, paper, way = column.differences.get(recipe), column.verdicts.get(recipe), column.directions.get(recipe)
    fields: list[object] = [None] * 5
    if less is not None:
        fields = [less.difference, *_ends(less.interval), less.adjusted, less.state]
    if paper is None:
        return [*fields, way.state if way else None, *[None] * 5]
    return [*fields, paper.state, paper.difference, *_ends(paper.interval), paper.p_different, paper.p_equivalent]


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval else (None, None)


def long(table: Table) -> str:
    """One line for each run and metric, finished or not; with statistics, those of its cell on each of its lines."""
    header = ["table", "method", "recipe", "pretrain_data", "task", "metric", "pretraining", "run", "state", "value"]
    header += ["profile", "overrides", "data", "tool", "device", "key", "path"]
    header += ["baseline", *JUDGED] if table.judgement else []
    lines: list[list[object]] = []
    for line in table.lines:
        for place, (column, cell) in enumerate(zip(table.columns, line.cells, strict=True)):
            judged: list[object] = []
            if table.judgement:
                judged = [table.judgement.baseline, *_judged(table.judgement.columns[place], line.row.recipe)]
            for run in cell.runs:
                what = [table.name, line.row.label, run.recipe, line.row.pretrain_data, run.task, column.metric]
                number = run.metrics.get(column.metric)
                where = [run.profile, " ".join(table.overrides), run.data, run.tool, run.device, run.key, run.path]
                lines.append([*what, run.pretraining, run.run, run.state, number, *where, *judged])
    return _write(header, lines)


def _write(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return buffer.getvalue()
