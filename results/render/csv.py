"""For other programs: full precision, one header line, no notes; ``comparable`` says whether
the profile's numbers may be held against the published ones. ``wide`` is the table, ``long`` its observations."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from results.table import Table


def wide(table: Table) -> str:
    """One line for each row; nine fields for each column. Empty where there is no number."""
    header = ["table", "profile", "comparable", "overrides", "data", "tool", "method", "recipe", "pretrain_data"]
    for column in table.columns:
        name = f"{column.task}.{column.metric}"
        header += [f"{name}.{field}" for field in ("mean", "std", "n", "expected", "state")]
        header += [f"{name}.published_{field}" for field in ("mean", "std", "runs", "source")]
    lines: list[list[object]] = []
    for line in table.lines:
        row = line.row
        fields: list[object] = [table.name, table.profile, table.comparable, " ".join(table.overrides)]
        fields += [table.data, table.tool]
        fields += [row.label, row.recipe, row.pretrain_data]
        for cell in line.cells:
            fields += [cell.mean, cell.std, cell.n, cell.expected, cell.state]
            there = cell.published
            fields += [there.mean, there.std, there.runs, there.source] if there else [None] * 4
        lines.append(fields)
    return _write(header, lines)


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
