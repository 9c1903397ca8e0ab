"""The page as data, and its rendering: a ``Report`` in, HTML out."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from results.layout import Column
from results.render.grid import Grid, Heading, grid, heading, ours, published
from results.table import Cell, Line, Table

HOME = Path(__file__).parent
STATES = ("done", "running", "queued", "preempted", "interrupted", "missing", "stale", "blocked", "failed")
"""In the order in which a bar of progress shows them."""


@dataclass(frozen=True)
class Picture:
    """A figure: ``data`` are the bytes of an SVG or a PNG."""

    title: str
    words: str
    format: str
    data: bytes

    @property
    def source(self) -> str:
        """The picture as an address that holds it."""
        kind = {"svg": "image/svg+xml", "png": "image/png"}[self.format]
        return f"data:{kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Failure:
    """A run that failed, why, and the end of its log."""

    title: str
    reason: str
    log: str
    tail: str


@dataclass(frozen=True)
class Work:
    """A run, as the list of all shows it; empty words where nothing is known yet."""

    title: str
    kind: str
    state: str
    seed: int
    key: str
    folder: str
    metrics: Mapping[str, float]
    seconds: float | None
    finished: str
    device: str
    host: str
    tool: str
    code: str
    data: str
    weights: str
    """SHA-256 of the backbone that a pre-training left."""


@dataclass(frozen=True)
class Judged:
    """What a table's runs say: against the paper in a word, against the baseline in a grid, the rest in lines."""

    table: str
    overall: str
    grid: Grid
    lines: Sequence[str]


@dataclass(frozen=True)
class Report:
    """Everything on the page."""

    title: str
    profile: str
    data: str
    remarks: Sequence[str]
    tables: Sequence[Table]
    judged: Sequence[Judged]
    pictures: Sequence[Picture]
    failures: Sequence[Failure]
    works: Sequence[Work]
    marks: Sequence[str]
    """Stale runs, files that do not count, code that has changed."""
    unmade: Sequence[tuple[str, str]] = ()
    """Title of each table that cannot be made, and why."""

    @property
    def progress(self) -> list[tuple[str, dict[str, int]]]:
        """Kind of work → state → how many of the page's runs are in it."""
        counted: dict[str, dict[str, int]] = {}
        for work in self.works:
            states = counted.setdefault(work.kind, dict.fromkeys(STATES, 0))
            states[work.state] += 1
        return list(counted.items())

    @property
    def newest(self) -> str:
        """When the last run was finished; empty if none is."""
        return max((work.finished for work in self.works), default="")


def render(report: Report) -> str:
    """The page. Text of runs and logs is escaped; a policy in the page forbids it to load anything."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HOME), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"anchor": anchor, "duration": _duration, "neighbours": _neighbours, "value": _value}
    style, script = ((HOME / name).read_text(encoding="utf-8") for name in ("style.css", "sort.js"))
    page = environment.get_template("page.html.j2")
    shown = {
        "cell": _cell,
        "runs": _runs,
        "published": published,
        "heading": heading,
        "best": _best,
        "states": STATES,
    }
    return page.render(report=report, style=style, script=script, **shown) + "\n"


def judged(table: Table) -> Judged | None:
    """A table's judgement for the page; None for a table that was not judged."""
    found = table.judgement
    return Judged(heading(table), found.overall, grid(table), found.words) if found else None


def anchor(words: str) -> str:
    """A name to link to."""
    return "".join(letter if letter.isalnum() else "-" for letter in words.casefold())


def _cell(cell: Cell, table: Table) -> str:
    return ours(cell, table.decimals, table.deviations)


def _best(line: Line, place: int, table: Table) -> bool:
    """Whether a cell cannot be told from its column's best."""
    found = table.judgement
    return found is not None and line.row.recipe in (found.columns[place].statistics.best or ())


def _neighbours(columns: Sequence[Column | Heading]) -> list[tuple[str, int]]:
    """Headings over neighbouring columns that share one, and how many these are."""
    return [(words, len(list(shared))) for words, shared in groupby(columns, key=lambda column: column.group)]


def _value(words: str) -> str:
    """The number that an entry of a grid begins with, to sort by; empty if it begins with none."""
    found = re.match(r"[+-]?\d+(\.\d+)?(?= |$)", words)
    return found[0] if found else ""


def _runs(line: Line, place: int, table: Table) -> str:
    """The single runs' numbers, for who points at a cell."""
    cell, metric = line.cells[place], table.columns[place].metric
    values = [f"{run.metrics[metric]:.{table.decimals}f}" for run in cell.runs if run.state == "done"]
    return f"runs: {', '.join(values)}" if values else ""


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
