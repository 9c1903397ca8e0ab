"""For other programs: all that a table holds, the runs behind each cell and the statistics included."""

from __future__ import annotations

import json as encoder
from dataclasses import asdict
from typing import Any

from results.table import Cell, Table

SCHEMA = 1


def json(table: Table) -> str:
    """One object. Cells name their runs by path; statistics are null unless the table was made with them."""
    runs = {run.path: vars(run) for line in table.lines for cell in line.cells for run in cell.runs if run.path}
    rows = [
        {**line.row.model_dump(), "cells": [_cell(table, place, cell) for place, cell in enumerate(line.cells)]}
        for line in table.lines
    ]
    whole = {
        "schema": SCHEMA,
        **{name: getattr(table, name) for name in ("name", "title", "number", "profile", "data", "tool", "comparable")},
        "overrides": table.overrides,
        "columns": [column.model_dump() for column in table.columns],
        "rows": rows,
        "runs": runs,
        "notes": table.notes,
        "statistics": asdict(table.judgement) if table.judgement else None,
    }
    return encoder.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _cell(table: Table, place: int, cell: Cell) -> dict[str, Any]:
    column = table.columns[place]
    names = ("mean", "std", "n", "expected", "state", "values", "pretrainings", "zeros", "constants")
    kept = {name: getattr(cell, name) for name in names}
    return {
        "task": column.task,
        "metric": column.metric,
        **kept,
        "published": cell.published.model_dump() if cell.published else None,
        "runs": [run.path for run in cell.runs if run.path],
    }
