"""The audit of a data root as text: what is there, what is ready for which task, and what to do about the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfer.audit.findings import Finding, Unit
    from transfer.audit.run import Audit

SHOWN = 3
"""Findings of a kind that are shown unless all are."""
NUMBERS = ("images", "official", "decoded")
"""Columns of numbers."""
_LABELS = {"images": "none", "coco": "instances", "voc": "boxes"}
"""What a reader reads besides photographs, where it is not label maps."""


def show(found: Audit, *, generated: bool, shown: int | None) -> None:
    """Print it."""
    print(f"data below {found.root.absolute()}{' (generated scenes)' if generated else ''}\n")
    print("\n".join(_table([("set", "labels", "images", "official", "decoded", "state"), *map(_row, found.units)])))
    ready = [(purpose.title, purpose.state) for purpose in found.purposes]
    print("\n" + "\n".join(_table([("for", "state"), *ready])))
    of = found.findings
    faults, remarks = [each for each in of if each.grave], [each for each in of if not each.grave]
    for title, findings in (("faults", faults), ("remarks", remarks)):
        if findings:
            print(f"\n{title}")
            print("\n".join(_groups(findings, of, shown)))
    absent: dict[str, list[str]] = {}
    for unit in found.units:
        if unit.absent:
            absent.setdefault(unit.absent, []).append(unit.name)
    if absent:
        print("\nnot there")
        print("\n".join(f"  {', '.join(names)}: {line}" for line, names in absent.items()))
    for purpose in found.purposes:
        if purpose.without:
            print(f"  {purpose.title} runs without them, though not as the paper has it: {purpose.without}")
    number = sum(purpose.state == "ready" for purpose in found.purposes)
    counted = f"{_number(len(faults), 'fault')}, {_number(len(remarks), 'remark')}"
    print(f"\n{counted}; {number} of {len(found.purposes)} ready")


def _number(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _row(unit: Unit) -> tuple[str, ...]:
    from transfer.audit.official import SETS

    labels = _LABELS.get(unit.layout, "label maps")
    official = SETS.get((unit.layout, unit.name))
    counted = (str(len(unit.images)), str(official.images) if official else "-", str(unit.looked_into))
    return (unit.name, labels, *(("-", counted[1], "-") if unit.absent else counted), unit.state)


def _groups(findings: Sequence[Finding], of: dict[Finding, list[str]], shown: int | None) -> list[str]:
    """Findings by kind, the first of each with their files, and their remedies."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, ", ".join(of[finding])), []).append(finding)
    lines = []
    for (kind, sets), alike in groups.items():
        first = alike[:shown]
        lines.append(f"  {kind}: {len(alike)} in {sets}")
        for remedy in dict.fromkeys(finding.remedy for finding in first):
            lines += [f"    {each.file}: {each.problem}" for each in first if each.remedy == remedy]
            lines.append(f"      → {remedy}")
        if len(alike) > len(first):
            lines.append(f"    and {len(alike) - len(first)} more: --all shows them, --json FILE writes them")
    return lines


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_cell(*pair) for pair in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell(text: str, width: int) -> str:
    return text.rjust(width) if text.isdigit() or text in NUMBERS else text.ljust(width)
