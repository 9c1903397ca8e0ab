"""A table as strings in rows and columns: what text, Markdown, LaTeX and HTML have in common."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from results.table import MARK, SINGLE, Cell, Line, Table

if TYPE_CHECKING:
    from results.judgement import ColumnJudgement


@dataclass(frozen=True)
class Heading:
    """Head of one column of strings; ``group`` stands over neighbours that share it."""

    group: str
    label: str


@dataclass(frozen=True)
class Entry:
    """One string of a row."""

    text: str
    bold: bool = False
    """Whether it cannot be told from the best of its column."""


@dataclass(frozen=True)
class Grid:
    """Headings, and the rows in blocks that a rule sets apart."""

    headings: tuple[Heading, ...]
    blocks: tuple[tuple[tuple[Entry, ...], ...], ...]


def grid(table: Table) -> Grid:
    """Method, pre-training data where rows differ in it, then for each column ours and what is compared with it."""
    many_data = len({line.row.pretrain_data for line in table.lines} - {""}) > 1
    beside = beside_ours(table)
    headings = [Heading("", "method")] + [Heading("", "pre-trained on")] * many_data
    for column in table.columns:
        headings += [Heading(column.group, label) for label in (column.label, *beside)]
    blocks = []
    for _, lines in groupby(table.lines, key=lambda line: line.row.group):
        block = []
        for line in lines:
            entries = [Entry(line.row.label)] + [Entry(line.row.pretrain_data)] * many_data
            for place in range(len(table.columns)):
                entries += _entries(table, line, place, beside)
            block.append(tuple(entries))
        blocks.append(tuple(block))
    return Grid(tuple(headings), tuple(blocks))


def beside_ours(table: Table) -> tuple[str, ...]:
    """Headings of what stands beside our number of each column."""
    judged = table.judgement
    if table.compare == "statistics" and judged is not None:
        baseline = next(line.row.label for line in table.lines if line.row.recipe == judged.baseline)
        return (f"less {baseline}", *(() if judged.kind == "none" else ("verdict",)))
    there = any(cell.published is not None for line in table.lines for cell in line.cells)
    return ("published",) if there and table.compare == "published" else ()


def _entries(table: Table, line: Line, place: int, beside: tuple[str, ...]) -> list[Entry]:
    cell, judged = line.cells[place], table.judgement
    if not beside or judged is None:
        entries = [Entry(ours(cell, table.decimals, table.deviations))]
        return [*entries, Entry(published(cell, table.decimals))] if beside else entries
    column = judged.columns[place]
    best = line.row.recipe in (column.statistics.best or ())
    entries = [Entry(ours(cell, table.decimals, table.deviations), best)]
    entries.append(Entry(difference(column, line.row.recipe, table.decimals)))
    return [*entries, Entry(verdict(column, line.row.recipe))] if len(beside) > 1 else entries


def difference(column: ColumnJudgement, recipe: str, decimals: int) -> str:
    """``+0.51 ↑``: less the baseline, and whether it is told apart (see ``results.words.LEGEND``)."""
    found = column.differences.get(recipe)
    if found is None:
        return ""
    sign = {"higher": "↑", "lower": "↓", "not told apart": "≈", "not testable": "?"}[found.state]
    doubt = " (w)" if found.state in {"higher", "lower"} and not found.confirmed else ""
    shown = round(found.difference, decimals) + 0.0  # no "-0.0"
    return f"{shown:+.{decimals}f} {sign}{doubt}"


def verdict(column: ColumnJudgement, recipe: str) -> str:
    """The verdict of a cell, with the number of runs that would decide."""
    found = column.verdicts.get(recipe) or column.directions.get(recipe)
    if found is None:
        return ""
    return found.state + (f" (n = {found.runs})" if found.runs else "")


def ours(cell: Cell, decimals: int, deviations: bool = True) -> str:
    """``57.12 ± 0.30``, with ``(3/5)`` when the runs are not as many as asked for and ``!`` when some have learnt
    nothing; without a run, the state."""
    if cell.mean is None:
        return "—" if cell.state == "missing" else cell.state
    std = cell.std if deviations else None
    some = f" ({cell.n}/{cell.expected})" if cell.n != cell.expected else ""
    return number(cell.mean, std, decimals) + some + (f" {MARK}" if cell.zeros or cell.constants else "")


def published(cell: Cell, decimals: int) -> str:
    """The printed value; ``–`` where the paper prints a dash, nothing where it has no such row."""
    if cell.published is None:
        return ""
    return "–" if cell.published.mean is None else number(cell.published.mean, cell.published.std, decimals)


def number(mean: float, std: float | None, decimals: int) -> str:
    """A mean, with its deviation where it has one."""
    return f"{mean:.{decimals}f}" + ("" if std is None else f" ± {std:.{decimals}f}")


def heading(table: Table) -> str:
    """``Table 1. PASCAL VOC object detection``; a table that is not the paper's has no number."""
    return table.title if table.number is None else f"Table {table.number}. {table.title}"


def provenance(table: Table) -> str:
    """The line that no table goes without."""
    return f"profile: {table.profile}; data: {table.data}" + (f"; tool: {table.tool}" if table.tool else "")


def notes(table: Table) -> tuple[str, ...]:
    """All lines below the table; without those on our ±, or on the published column, where none is shown."""
    said = [note for note in table.notes if table.deviations or not note.startswith(("±", SINGLE))]
    if "published" not in beside_ours(table):
        said = [note for note in said if not note.startswith("published:")]
    return (*said, *(table.judgement.words if table.judgement else ()))
