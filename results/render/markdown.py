"""For an issue or a README: a GitHub-flavoured Markdown table."""

from __future__ import annotations

import re

from results.render.grid import Entry, grid, heading, notes, provenance
from results.table import Table


def markdown(table: Table) -> str:
    """Title, provenance, table and notes; Markdown has no rules between rows, so groups follow each other."""
    strings = grid(table)
    headings = [f"{head.group} {head.label}".strip() for head in strings.headings]
    rows = [[_entry(entry) for entry in row] for block in strings.blocks for row in block]
    rows = [list(map(escape, headings)), ["---"] * len(headings), *rows]
    body = ["| " + " | ".join(row) + " |" for row in rows]
    said = [f"- {escape(note)}" for note in notes(table)]
    return (
        "\n".join([f"**{escape(heading(table))}**", "", escape(provenance(table)), "", *body, "", *said]).rstrip()
        + "\n"
    )


def _entry(entry: Entry) -> str:
    return f"**{escape(entry.text)}**" if entry.bold else escape(entry.text)


def escape(string: str) -> str:
    """A string that Markdown shows as it is and that cannot leave its cell."""
    return re.sub(r"([\\`*_\[\]<>|~#$&])", r"\\\1", " ".join(string.split()))
