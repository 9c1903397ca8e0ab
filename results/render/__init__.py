"""A ``Table`` in, a string out; no renderer computes a statistic, reads a file or asks for a terminal."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.table import Table


def _lazily(module: str, function: str) -> Callable[[Table], str]:
    def render(table: Table) -> str:
        rendered: str = getattr(importlib.import_module(f"results.render.{module}"), function)(table)
        return rendered

    return render


FORMATS: dict[str, Callable[[Table], str]] = {
    "text": _lazily("text", "text"),
    "markdown": _lazily("markdown", "markdown"),
    "csv": _lazily("csv", "wide"),
    "csv-long": _lazily("csv", "long"),
    "latex": _lazily("latex", "latex"),
    "html": _lazily("html", "html"),
    "json": _lazily("json", "json"),
}
"""Format → renderer; each ends its string with one newline."""
