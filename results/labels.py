"""What rows are called where several tables or columns meet: one label for a recipe, no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.layout import Row
    from results.table import Table


def distinct(rows: Iterable[Row]) -> dict[str, str]:
    """Recipe → label, in the rows' order, as the first row of a recipe has it; no label twice.

    Equal labels get their pre-training data added, and what is still equal then the recipe's name.
    """
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.recipe, row)
    plain = {recipe: row.label for recipe, row in first.items()}
    by_data = _apart(plain, {recipe: row.pretrain_data for recipe, row in first.items()})
    return _apart(by_data, {recipe: recipe for recipe in first})


def _apart(labels: dict[str, str], words: dict[str, str]) -> dict[str, str]:
    """Labels with words in brackets after those that stand there more than once."""
    times = Counter(labels.values())
    more = {
        recipe: f" ({words[recipe]})" if times[label] > 1 and words[recipe] else "" for recipe, label in labels.items()
    }
    return {recipe: label + more[recipe] for recipe, label in labels.items()}


def of_tables(tables: Sequence[Table]) -> dict[str, str]:
    """Recipe → label over all rows of some tables."""
    return distinct(line.row for table in tables for line in table.lines)
