"""For a browser: one self-contained table whose rows sort by a click on a heading. Fits into a page or is one."""

from __future__ import annotations

from html import escape
from itertools import groupby

from results.render.grid import Entry, Grid, grid, heading, notes, provenance
from results.table import Table

STYLE = """\
.harness { font: 15px/1.45 system-ui, sans-serif; overflow-x: auto; color-scheme: light dark }
.harness table { border-collapse: collapse; font-variant-numeric: tabular-nums; border-block: 2px solid }
.harness :is(th, td) { padding: .2em .7em; text-align: left; white-space: nowrap }
.harness tbody { border-top: 1px solid }
.harness button { all: unset; cursor: pointer; font-weight: 600 }
.harness button:focus-visible { outline: 2px solid }
.harness caption { text-align: left; padding-bottom: .5em }
.harness ul { max-width: 60em; padding-left: 1.2em }
"""
SCRIPT = """\
for (const table of document.querySelectorAll(".harness table:not([data-sorts])")) {
  table.dataset.sorts = ""
  const heads = table.querySelectorAll("thead tr:last-child th")
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") === "descending" ? 1 : -1
    heads.forEach(each => each.removeAttribute("aria-sort"))
    head.setAttribute("aria-sort", up > 0 ? "ascending" : "descending")
    const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent
    const compare = (one, other) => {
      const [a, b] = [value(one), value(other)]
      if (isNaN(parseFloat(a)) !== isNaN(parseFloat(b))) return isNaN(parseFloat(a)) ? 1 : -1
      return up * (isNaN(parseFloat(a)) ? a.localeCompare(b) : parseFloat(a) - parseFloat(b))
    }
    for (const body of table.tBodies) body.append(...[...body.rows].sort(compare))
  }))
}
"""


def html(table: Table) -> str:
    """Style, table, notes and the script that sorts, in one ``section`` that needs nothing else."""
    strings = grid(table)
    lines = [
        "<!doctype html>",
        f'<meta charset="utf-8"><title>{escape(heading(table))}</title>',
        f'<section class="harness" id="{escape(table.name)}">',
        f"<style>\n{STYLE}</style>",
        "<table>",
        f"<caption><strong>{escape(heading(table))}</strong><br>{escape(provenance(table))}</caption>",
        "<thead>",
        *_head(strings),
        "</thead>",
    ]
    for block in strings.blocks:
        lines += ["<tbody>", *(f"<tr>{''.join(map(_entry, row))}</tr>" for row in block), "</tbody>"]
    lines.append("</table>")
    if said := notes(table):
        lines += ["<ul>", *(f"<li>{escape(note)}</li>" for note in said), "</ul>"]
    return "\n".join([*lines, f"<script>\n{SCRIPT}</script>", "</section>"]) + "\n"


def _head(strings: Grid) -> list[str]:
    lines = []
    if any(each.group for each in strings.headings):
        over = []
        for group, members in groupby(strings.headings, key=lambda each: each.group):
            over.append(f'<th colspan="{len(list(members))}" scope="colgroup">{escape(group)}</th>')
        lines.append(f"<tr>{''.join(over)}</tr>")
    labels = [f'<th scope="col"><button>{escape(each.label)}</button></th>' for each in strings.headings]
    return [*lines, f"<tr>{''.join(labels)}</tr>"]


def _entry(entry: Entry) -> str:
    text = escape(entry.text)
    return f"<td><strong>{text}</strong></td>" if entry.bold else f"<td>{text}</td>"
