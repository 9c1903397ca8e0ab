"""A ``Table`` in, a string out; no renderer computes a statistic, reads a file or asks for a terminal."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ground.errors import ConfigError

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


def together(form: str, tables: Sequence[Table]) -> str:
    """Some tables in one file that is still of its format: a list in JSON, one header in long CSV, one HTML document.

    Raises:
        ConfigError: several tables as ``csv``, whose columns differ.
    """
    one, *others = map(FORMATS[form], tables)
    if not others:
        return one
    if form == "csv":
        raise ConfigError("--format csv", "holds one table: columns differ", "Print one table a file, or csv-long.")
    if form == "json":
        return "[\n" + ",\n".join(each.rstrip() for each in (one, *others)) + "\n]\n"
    if form == "csv-long":
        return one + "".join(each.partition("\n")[2] for each in others)
    if form == "html":
        return one + "".join(each[each.index("<section") :] for each in others)
    return "\n".join((one, *others))
