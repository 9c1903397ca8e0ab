"""A judgement in plain sentences, for the lines below a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from results.labels import distinct
from results.table import Table

if TYPE_CHECKING:
    from results.judgement import ColumnJudgement, Judgement
    from results.statistics.pooling import Pool

LEGEND = (
    "↑ ↓: told apart from {baseline} at 5 % after Holm's correction over the column; ≈: not told apart; ?: not "
    "testable; (w): Welch's test does not confirm it. Bold or *: cannot be told from the best (Tukey-Kramer, 5 %)."
)
BOTH_SIDES = (
    "Where both sides' ± hold fine-tuning only, `different` may mean another seed of the pre-training and no more. The "
    "paper does not say whether its std is over n or n − 1: n − 1 is assumed."
)


def below(table: Table, judged: Judgement) -> Iterator[str]:
    """The lines, the verdict first."""
    labels = distinct(line.row for line in table.lines)
    yield from _verdict(judged)
    yield LEGEND.format(baseline=labels[judged.baseline])
    waiting = [each.statistics for each in judged.columns if judged.baseline not in each.statistics.estimates]
    if waiting:
        every = len(waiting) == len(judged.columns)
        where = "" if every else f" in {', '.join(f'{each.task} {each.metric}' for each in waiting)}"
        yield f"{labels[judged.baseline]} has no finished run{where}: differences from it wait for that."
    units = {cell.pretrainings > 1 for line in table.lines for cell in line.cells if cell.values}
    if len(units) > 1:
        yield "Cells of several pre-trainings and of one hold different variances; tests between them do not know."
    if len(judged.columns) > 1 and not any(_testable(each) or each.decomposition for each in judged.columns):
        yield "No column is testable: no two methods with a std among them."
    else:
        for column in judged.columns:
            yield from _column(column, labels)
    yield from _assumptions(judged, labels)


def _verdict(judged: Judgement) -> Iterator[str]:
    found = [each for column in judged.columns for each in (column.verdicts or column.directions).values()]
    tally = "; ".join(f"{number} {state}" for state, number in Counter(each.state for each in found).most_common())
    if judged.kind == "values":
        yield (
            f"Verdict: {judged.overall} ({tally}). Reproduced: within ± {judged.margin:g} points of the published "
            "value by two one-sided tests at 5 %; different: Welch's test at 5 % after Holm's correction over the "
            "column, not over the table; n: runs of ours that would decide with 80 % power if the difference is as "
            "observed."
        )
        yield BOTH_SIDES
    elif judged.kind == "directions":
        yield (
            f"Verdict on differences from the baseline, not on values: {judged.overall}"
            f"{f' ({tally})' if tally else ''}. Numbers of this profile and data cannot reproduce a published one."
        )


def _testable(column: ColumnJudgement) -> bool:
    return column.statistics.pool is not None and len(column.statistics.estimates) > 1


def _column(column: ColumnJudgement, labels: dict[str, str]) -> Iterator[str]:
    found = column.statistics
    if found.pool is None or not _testable(column):
        yield f"{found.task} {found.metric}: not testable: no two methods with a std among them."
    else:
        yield f"{found.task} {found.metric}: {'; '.join(_column_parts(column, found.pool, labels))}."
    if column.decomposition is not None:
        yield f"{found.task} {found.metric}: {column.decomposition.words}."


def _column_parts(column: ColumnJudgement, pool: Pool, labels: dict[str, str]) -> Iterator[str]:
    found = column.statistics
    over = f"over {pool.methods} methods" if pool.methods > 1 else "of one method"
    yield f"std {pool.std:.2f} {over}, {pool.df} degree{'s' if pool.df > 1 else ''} of freedom"
    if not pool.defensible:
        yield f"variances differ (Brown-Forsythe p = {pool.p_equal:.3f}), so each test uses its own two (Welch)"
        single = [labels[name] for name, each in found.estimates.items() if each.std is None]
        if single:
            yield f"a single run has no std of its own, so it is never among the best: {', '.join(single)}"
    if found.detectable is not None and found.margin_within_reach is not None:
        n = min(each.n for each in found.estimates.values())
        yield (
            f"n = {n} finds a difference of {found.detectable:.2f}, and shows equality within "
            f"± {found.margin_within_reach:.2f}, with 80 % power"
        )
    if found.probabilities:
        first = max(found.probabilities, key=lambda name: found.probabilities[name])
        yield f"best is {labels[first]} with probability {found.probabilities[first]:.2f}"
    yield from _agreement(column)


def _agreement(column: ColumnJudgement) -> list[str]:
    found = column.agreement
    if found is None:
        return []
    again = found.redrawn
    firm = f" ({again.low:.2f} to {again.high:.2f} if the means were drawn again within their errors)" if again else ""
    p = "not testable" if found.p is None else f"p = {found.p:.3f}"
    sample = f" [{found.interval.low:.2f}, {found.interval.high:.2f}]" if found.interval else ""
    return [f"order beside the paper's: Kendall's tau {found.tau:.2f}{sample}{firm} over {found.methods} methods, {p}"]


def _assumptions(judged: Judgement, labels: dict[str, str]) -> Iterator[str]:
    """Each assumption once, with the cells whose verdict rests on it."""
    resting: dict[str, list[str]] = {}
    for column in judged.columns:
        judgements = (column.verdicts or column.directions).items()
        run = {name: found.assumptions for name, found in judgements if found.state != "not run"}
        for words in dict.fromkeys(each for assumptions in run.values() for each in assumptions):
            names = [name for name, assumptions in run.items() if words in assumptions]
            who = "every row" if len(names) == len(run) > 1 else ", ".join(labels[name] for name in names)
            what = f"{column.statistics.task} {column.statistics.metric}"
            resting.setdefault(words, []).append(f"{what}: {who}")
    for words, cells in resting.items():
        yield f"Rests on: {words} ({'; '.join(cells)})."
