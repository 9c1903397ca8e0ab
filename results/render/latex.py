"""For a paper: a floating booktabs table that shrinks to the line when it is too wide, in plain ASCII."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import groupby

from results.render.grid import Entry, Grid, grid, notes, provenance
from results.table import Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "\u200b": "{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "→": r"$\rightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "λ": r"$\lambda$",
    "τ": r"$\tau$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "—": "---",
    "–": "--",
    "…": r"\ldots{}",
    "‘": "{`}",
    "’": "{'}",
    "“": "``",
    "”": "''",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
MISREAD = re.compile(r"([-'`,])(?=\1)|[?!](?=`)|^(?=[\[*])")
"""Where LaTeX would take two characters for another one, or the start of a row for an argument of the row above."""

ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}


def latex(table: Table) -> str:
    """A ``table`` environment for any class; needs ``booktabs`` and ``graphicx``, label ``tab:<name>``, in which
    all but letters, digits and ``_.:-`` are dashes."""
    strings = grid(table)
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.title)} ({escape(provenance(table))})}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9_.:-]', '-', table.name)}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{'l' * len(strings.headings)}}}",
        r"\toprule",
        *_head(strings),
    ]
    for block in strings.blocks:
        lines += [r"\midrule", *(_row(map(_entry, row)) for row in block)]
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if said := [escape(note) + r"\par" for note in notes(table)]:
        lines += [r"\par\medskip", r"\begin{minipage}{\linewidth}\footnotesize\raggedright", *said, r"\end{minipage}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _entry(entry: Entry) -> str:
    return rf"\textbf{{{escape(entry.text)}}}" if entry.bold else escape(entry.text)


def _head(strings: Grid) -> list[str]:
    lines = []
    if any(heading.group for heading in strings.headings):
        over, rules, first = [], [], 1
        for group, members in groupby(strings.headings, key=lambda heading: heading.group):
            count = len(list(members))
            over += [rf"\multicolumn{{{count}}}{{c}}{{{escape(group)}}}"] if group else [""] * count
            rules += [rf"\cmidrule(lr){{{first}-{first + count - 1}}}"] if group else []
            first += count
        lines += [_row(over), " ".join(rules)]
    return [*lines, _row(escape(heading.label) for heading in strings.headings)]


def _row(strings: Iterable[str]) -> str:
    return " & ".join(strings) + r" \\"


def escape(string: str) -> str:
    r"""A string that any LaTeX with any input and font encoding prints as it is, in ASCII.

    Accented letters become accents (``é`` → ``\'{e}``); what plain LaTeX cannot print becomes its code point
    (``U+6570``), so that a table always compiles.
    """
    text = unicodedata.normalize("NFC", " ".join(string.split()))
    return "".join(_character(character) for character in MISREAD.sub("\\g<0>\u200b", text))


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii() and character.isprintable():
        return character
    decomposed = unicodedata.normalize("NFD", character)
    base, accent = decomposed[0], decomposed[1:]
    if accent in ACCENTS and base.isascii() and base.isalpha():
        return rf"\{ACCENTS[accent]}{{{base}}}"
    return f"{{\\ttfamily U+{ord(character):04X}}}"
