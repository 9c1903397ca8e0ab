"""A table as strings in rows and columns: what text, Markdown and LaTeX have in common."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from results.table import Cell, Table


@dataclass(frozen=True)
class Heading:
    """Head of one column of strings; ``group`` stands over neighbours that share it."""

    group: str
    label: str


@dataclass(frozen=True)
class Grid:
    """Headings, and the rows in blocks that a rule sets apart."""

    headings: tuple[Heading, ...]
    blocks: tuple[tuple[tuple[str, ...], ...], ...]


def grid(table: Table) -> Grid:
    """Method, pre-training data where rows differ in it, then ours and, where the paper has any, published."""
    many_data = len({line.row.pretrain_data for line in table.lines} - {""}) > 1
    beside = any(cell.published is not None for line in table.lines for cell in line.cells)
    headings = [Heading("", "method")] + [Heading("", "pre-trained on")] * many_data
    for column in table.columns:
        headings += [Heading(column.group, column.label)] + [Heading(column.group, "published")] * beside
    blocks = []
    for _, lines in groupby(table.lines, key=lambda line: line.row.group):
        block = []
        for line in lines:
            strings = [line.row.label] + [line.row.pretrain_data] * many_data
            for cell in line.cells:
                strings += [ours(cell, table.decimals)] + [published(cell, table.decimals)] * beside
            block.append(tuple(strings))
        blocks.append(tuple(block))
    return Grid(tuple(headings), tuple(blocks))


def ours(cell: Cell, decimals: int) -> str:
    """``57.12 ± 0.30``, with ``(3/5)`` when the runs are not as many as asked for; without a run, the state."""
    if cell.mean is None:
        return "—" if cell.state == "missing" else cell.state
    return number(cell.mean, cell.std, decimals) + (f" ({cell.n}/{cell.expected})" if cell.n != cell.expected else "")


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
