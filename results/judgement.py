"""What the runs behind a table say, and no more: one judgement a column, one a cell, and the words below the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Literal

from ground.config import suggest
from ground.errors import ConfigError
from results.layout import Column as Heading
from results.table import Cell, Table

if TYPE_CHECKING:
    from results.statistics.column import Column
    from results.statistics.contrasts import Difference
    from results.statistics.nested import Decomposition
    from results.statistics.orders import Direction
    from results.statistics.pooling import Pool
    from results.statistics.ranks import Agreement
    from results.statistics.verdicts import Claim, Verdict

Kind = Literal["values", "directions", "none"]


@dataclass(frozen=True)
class ColumnJudgement:
    """One column. Names are recipes."""

    statistics: Column
    differences: Mapping[str, Difference]
    """From the baseline."""
    verdicts: Mapping[str, Verdict]
    """Against the published values; empty unless the table is comparable."""
    directions: Mapping[str, Direction]
    """Against the published differences; empty if it is."""
    agreement: Agreement | None
    """Of our order with the paper's."""
    decomposition: Decomposition | None
    """Of the variance; None with one pre-training each."""


@dataclass(frozen=True)
class Judgement:
    """A whole table."""

    baseline: str
    margin: float
    kind: Kind
    """What is judged: published values, only directions of differences, or nothing for want of any."""
    columns: tuple[ColumnJudgement, ...]
    overall: str
    words: tuple[str, ...]
    """Lines to print below the table."""


def judge(table: Table, baseline: str | None = None, margin: float | None = None) -> Table:
    """``table`` with its judgement.

    Args:
        table: any table.
        baseline: recipe to compare with; the table's own if None.
        margin: largest difference from a published value that does not matter, in points.

    Raises:
        ConfigError: the table has no row for the baseline, or the margin is not positive and finite.
    """
    from results import words
    from results.statistics.verdicts import MARGIN

    recipes = [line.row.recipe for line in table.lines]
    baseline = baseline or table.baseline
    margin = MARGIN if margin is None else margin
    if baseline not in recipes:
        raise ConfigError(f"--baseline {baseline}", f"{table.name} has no such row", suggest(baseline, recipes))
    if not (margin > 0 and isfinite(margin)):
        raise ConfigError(
            f"--margin {margin:g}", "is not positive and finite", "Say how many points do not matter, e.g. 0.5."
        )
    columns = tuple(_column(table, place, baseline, margin) for place in range(len(table.columns)))
    kind: Kind = "values" if table.comparable else "directions"
    unpublished = all(cell.published is None for line in table.lines for cell in line.cells)
    if unpublished or (kind == "directions" and not any(column.directions for column in columns)):
        kind = "none"  # the paper has no such row as the baseline, for one
    said = Judgement(baseline, margin, kind, columns, _overall(kind, columns), ())
    said = replace(said, words=tuple(words.below(table, said)))
    return replace(table, compare="statistics", judgement=said)


def _column(table: Table, place: int, baseline: str, margin: float) -> ColumnJudgement:
    from results.statistics.column import analyse
    from results.statistics.orders import directions
    from results.statistics.ranks import agreement
    from results.statistics.verdicts import judge as verdicts

    heading = table.columns[place]
    cells = {line.row.recipe: line.cells[place] for line in table.lines}
    column = analyse(heading.task, heading.metric, {name: cell.values for name, cell in cells.items()}, baseline)
    claims = _claims(cells, column.pool if table.comparable else None)
    return ColumnJudgement(
        statistics=column,
        differences={each.method: each for each in column.differences},
        verdicts=verdicts(column.estimates, claims, column.pool, margin) if table.comparable else {},
        directions={} if table.comparable else directions(baseline, column.differences, claims),
        agreement=agreement(column.estimates, {name: each.estimate for name, each in claims.items()}),
        decomposition=_decomposition(heading, cells),
    )


def _claims(cells: Mapping[str, Cell], ours: Pool | None) -> dict[str, Claim]:
    """The published side; ``ours`` is lent to what the paper has no std for: None where ours is of another scale."""
    from results.statistics.verdicts import claim

    claims: dict[str, Claim] = {}
    for name, cell in cells.items():
        if cell.published is not None:
            runs = max(cell.expected // cell.pretrainings, 1)
            found = claim(cell.published, runs, ours)
            if found:
                claims[name] = found
    return claims


def _decomposition(heading: Heading, cells: Mapping[str, Cell]) -> Decomposition | None:
    from results.statistics.nested import decompose

    if all(cell.pretrainings == 1 for cell in cells.values()):
        return None
    return decompose(
        {
            name: {(run.pretraining, run.run): run.metrics[heading.metric] for run in cell.runs if run.state == "done"}
            for name, cell in cells.items()
            if cell.values
        }
    )


def _overall(kind: Kind, columns: tuple[ColumnJudgement, ...]) -> str:
    """The table's verdict, in a word or two."""
    from results.statistics.verdicts import overall

    if kind == "values":
        return overall([each for column in columns for each in column.verdicts.values()])
    states = Counter(each.state for column in columns for each in column.directions.values())
    if kind == "none" or not states:
        return "nothing to compare with"
    if states["opposite direction"]:
        tested = states.total() - states["not run"]
        return f"{states['opposite direction']} of {tested} differences contradict the paper's"
    if states["inconclusive"] or not states["same direction"]:
        return "inconclusive"
    return "differences agree with the paper's" + (", as far as they were run" if states["not run"] else "")
