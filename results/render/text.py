"""For a terminal: plain text, ours and published side by side."""

from __future__ import annotations

import re
import textwrap

from tabulate import SEPARATING_LINE, tabulate

from results.render.grid import Entry, grid, heading, notes, provenance
from results.table import Table

NARROWEST, WIDEST = 80, 120
"""Bounds of the width of the notes, which is the table's between them."""


def text(table: Table) -> str:
    """Title, provenance, table and notes."""
    strings = grid(table)
    groups = [head.group for head in strings.headings]
    firsts = [group if group != before else "" for group, before in zip(groups, ["", *groups], strict=False)]
    labels = [head.label for head in strings.headings]
    headers = [f"{group}\n{label}" for group, label in zip(firsts, labels, strict=True)] if any(groups) else labels
    blocks = [[[_entry(entry) for entry in row] for row in block] for block in strings.blocks]
    columns = zip(*(row for block in blocks for row in block), strict=True)
    widths = [max(_integer_digits(string) for string in column) for column in columns]
    rows: list[list[str] | str] = []
    for block in blocks:
        rows += [SEPARATING_LINE] if rows else []
        rows += [[_pad(string, width) for string, width in zip(row, widths, strict=True)] for row in block]
    body = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, stralign="left", preserve_whitespace=True)
    wrapper = textwrap.TextWrapper(
        min(WIDEST, max(NARROWEST, max(len(line) for line in body.splitlines()))),
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    said = [wrapper.fill(note) for note in notes(table)]
    return "\n".join([heading(table), provenance(table), "", body, "", *said]).rstrip() + "\n"


def _entry(entry: Entry) -> str:
    return f"{entry.text} *" if entry.bold else entry.text


def _integer_digits(string: str) -> int:
    """Digits before the decimal point of a number; 0 for words."""
    found = re.match(r"([+-]?\d+)\.\d", string)
    return len(found[1]) if found else 0


def _pad(string: str, width: int) -> str:
    """Put a number's decimal point under the others'."""
    digits = _integer_digits(string)
    return " " * (width - digits) + string if digits else string
