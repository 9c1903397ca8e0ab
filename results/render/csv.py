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

JUDGED = ("difference", "difference_p", "difference_state", "verdict")
"""From the baseline, p after Holm, what that says; and the cell beside the paper's."""


def wide(table: Table) -> str:
    """One line for each row; ten fields for each column, and four more of the statistics if the
    table has them. ``std`` is over ``pretrainings`` where there are several, else over ``n``. Empty: no number."""
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
    less, beside = column.differences.get(recipe), column.verdicts.get(recipe) or column.directions.get(recipe)
    return [*((less.difference, less.adjusted, less.state) if less else [None] * 3), beside.state if beside else None]


def long(table: Table) -> str:
    """One line for each run and metric, finished or not."""
    header = ["table", "method", "recipe", "pretrain_data", "task", "metric", "pretraining", "run", "state", "value"]
    header += ["profile", "overrides", "data", "tool", "device", "key", "path"]
    lines: list[list[object]] = []
    for line in table.lines:
        for column, cell in zip(table.columns, line.cells, strict=True):
            for run in cell.runs:
                what = [table.name, line.row.label, run.recipe, line.row.pretrain_data, run.task, column.metric]
                number = run.metrics.get(column.metric)
                where = [run.profile, " ".join(table.overrides), run.data, run.tool, run.device, run.key, run.path]
                lines.append([*what, run.pretraining, run.run, run.state, number, *where])
    return _write(header, lines)


def _write(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return buffer.getvalue()
