"""For other programs: all that a table holds, the runs behind each cell and the statistics included."""

from __future__ import annotations

import json as encoder
from dataclasses import asdict, is_dataclass
from typing import Any

from results.table import Cell, Table

SCHEMA = 1


def json(table: Table) -> str:
    """One object; statistics are null unless the table was made with them."""
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
        "notes": table.notes,
        "statistics": _plain(table.judgement),
    }
    return encoder.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _cell(table: Table, place: int, cell: Cell) -> dict[str, Any]:
    column = table.columns[place]
    kept = {name: getattr(cell, name) for name in ("mean", "std", "n", "expected", "state", "values", "pretrainings")}
    return {
        "task": column.task,
        "metric": column.metric,
        **kept,
        "published": cell.published.model_dump() if cell.published else None,
        "runs": [_plain(run) for run in cell.runs],
    }


def _plain(value: Any) -> Any:
    """Dataclasses as mappings."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
