"""For an issue or a README: a GitHub-flavoured Markdown table."""

from __future__ import annotations

import re

from results.render.grid import grid, heading, provenance
from results.table import Table


def markdown(table: Table) -> str:
    """Title, provenance, table and notes; Markdown has no rules between rows, so groups follow each other."""
    strings = grid(table)
    headings = [f"{head.group} {head.label}".strip() for head in strings.headings]
    rows = [headings, ["---"] * len(headings), *(row for block in strings.blocks for row in block)]
    body = ["| " + " | ".join(escape(string) for string in row) + " |" for row in rows]
    notes = [f"- {escape(note)}" for note in table.notes]
    return (
        "\n".join([f"**{escape(heading(table))}**", "", escape(provenance(table)), "", *body, "", *notes]).rstrip()
        + "\n"
    )


def escape(string: str) -> str:
    """A string that Markdown shows as it is and that cannot leave its cell."""
    return re.sub(r"([\\`*_\[\]<>|~#$])", r"\\\1", " ".join(string.split()))
