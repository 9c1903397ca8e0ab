"""Is a cell the published one? Reproduced, different, inconclusive or not run: never "not significantly different".

``reproduced`` is what TOST shows to lie within the margin, whether or not the rest of the difference is real.
``different`` is Welch's test from the summary statistics, after Holm over the column. What neither can say is
``inconclusive``. Only numbers of the paper's protocol on its data may be judged so; for all others see ``orders``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from results.published import Published, load
from results.statistics import ALPHA
from results.statistics.contrasts import holm
from results.statistics.equivalence import tost
from results.statistics.estimates import Estimate, Gap, Interval, gap, shared_gap
from results.statistics.pooling import Pool
from results.statistics.power import runs_to_decide

State = Literal["reproduced", "different", "inconclusive", "not run"]
MARGIN = 0.5
"""Points (AP or mIoU) by which a reproduction may be off unless said otherwise: about two std of the paper's VOC
detection, with which five runs on each side can conclude."""

ROUNDED_FROM = 4
"""The first of the paper's tables that print one decimal, where Tables 1-3 print two."""


@dataclass(frozen=True)
class Verdict:
    """Ours against one published value."""

    state: State
    margin: float
    difference: float | None = None
    """Ours less published."""
    interval: Interval | None = None
    """95 % of the difference, by Welch."""
    p_equivalent: float | None = None
    """TOST's."""
    p_different: float | None = None
    """Welch's, after Holm over the column."""
    runs: int | None = None
    """Runs of ours that would decide, if the true difference is the observed one; None: no number up to 1000."""
    assumptions: tuple[str, ...] = ()
    """What the verdict rests on besides the numbers."""


@dataclass(frozen=True)
class Claim:
    """A published mean with the std and runs that it has or that had to be borrowed for it."""

    estimate: Estimate
    assumptions: tuple[str, ...]
    borrowed: Literal["", "paper", "ours"] = ""
    """Whose std it is where the paper prints none here: that of its other tables, or our column's."""


def shared_std(estimates: list[Estimate]) -> tuple[float, float] | None:
    """The pooled std of estimates that have one, and its degrees of freedom."""
    known = [(each.std, each.df) for each in estimates if each.std is not None and each.df > 0]
    df = sum(each for _, each in known)
    return (math.sqrt(sum(std**2 * each for std, each in known) / df), df) if df else None


def claim(cell: Published, expected: int, ours: Pool | None) -> Claim | None:
    """What the paper says in a cell; None where it prints a dash.

    Args:
        cell: the published cell.
        expected: runs of the protocol, which are assumed where the paper does not say how many.
        ours: our column's std, borrowed where the paper has none for this task and metric anywhere.
    """
    if cell.mean is None:
        return None
    said: list[str] = []
    runs = cell.runs or expected
    if cell.runs is None:
        said.append(f"the paper does not say over how many runs: taken as {runs}")
    if cell.table >= ROUNDED_FROM:
        said.append("the paper prints this value to 0.1: up to 0.05 points of a difference may be its rounding")
    if cell.source != "measured":
        words = {"official weights": "of officially released weights", "cited": "quoted from another paper"}
        said.append(f"the published value is {words[cell.source]}")
    if cell.std is not None:
        return Claim(Estimate(cell.mean, cell.std, runs, runs - 1), tuple(said))
    std, df = None, 0.0
    borrowed: Literal["", "paper", "ours"] = ""
    if found := shared_std(_printed(cell.task, cell.metric)):
        (std, df), borrowed = found, "paper"
        said.append(f"the paper prints no std here: borrowed from its Tables 1-3, {std:.2f} pooled over all methods")
    elif ours is not None:
        std, df, borrowed = ours.std, float(ours.df), "ours"
        said.append(f"the paper prints no std for this metric: our column's is taken for it, {std:.2f}")
    return Claim(Estimate(cell.mean, std, runs, df), tuple(said), borrowed)


def _printed(task: str, metric: str) -> list[Estimate]:
    return [
        Estimate(cell.mean, cell.std, cell.runs, cell.runs - 1)
        for cell in load()
        if (cell.task, cell.metric) == (task, metric) and cell.mean is not None and cell.std is not None and cell.runs
    ]


def judge(
    ours: Mapping[str, Estimate], claims: Mapping[str, Claim], pool: Pool | None, margin: float = MARGIN
) -> dict[str, Verdict]:
    """Verdicts of a column: every method with a claim.

    A single run of ours borrows the column's std. The paper does not say whether its std are over n − 1, as taken
    here, or over n: where that matters to a verdict, it says so.
    """
    verdicts = _judge(ours, claims, pool, margin)
    wider = {
        name: each if each.borrowed == "ours" else replace(each, estimate=_over_n(each.estimate))
        for name, each in claims.items()
    }
    comparisons = max(sum(each.p_different is not None for each in verdicts.values()), 1)
    otherwise = _judge(ours, wider, pool, margin)
    for name, verdict in verdicts.items():
        if otherwise[name].state != verdict.state:
            words = f"{otherwise[name].state} if the paper's std is over n instead of n - 1"
            verdicts[name] = verdict = replace(verdict, assumptions=(*verdict.assumptions, words))
        if verdict.state == "inconclusive":
            runs = runs_to_decide(_own(ours[name], pool)[0], claims[name].estimate, margin, comparisons)
            verdicts[name] = replace(verdict, runs=runs)
    return verdicts


def _over_n(of: Estimate) -> Estimate:
    """The sample std, if the one printed was the root of the mean square about the mean."""
    return of if of.std is None or of.n < 2 else replace(of, std=of.std * math.sqrt(of.n / (of.n - 1)))


def _judge(
    ours: Mapping[str, Estimate], claims: Mapping[str, Claim], pool: Pool | None, margin: float
) -> dict[str, Verdict]:
    sides = {name: _own(ours[name], pool) for name in claims if name in ours}
    gaps = {name: _gap(side[0], claims[name], pool if side[1] else None) for name, side in sides.items()}
    corrected = holm({name: between.p if between else None for name, between in gaps.items()})
    verdicts = {}
    for name, there in claims.items():
        if name not in sides:
            verdicts[name] = Verdict("not run", margin)
            continue
        own, borrowed = sides[name]
        difference, between = own.mean - there.estimate.mean, gaps[name]
        assumptions = (*there.assumptions, *borrowed)
        if between is None:
            none = (*assumptions, "no std on one side: nothing can be tested")
            verdicts[name] = Verdict("inconclusive", margin, difference, assumptions=none)
            continue
        same, p = tost(between, margin), corrected[name]
        state: State = "inconclusive"
        if same.equivalent:
            state = "reproduced"
        elif p is not None and p < ALPHA:
            state = "different"
        verdicts[name] = Verdict(state, margin, difference, between.interval(), same.p, p, None, assumptions)
    return verdicts


def _gap(own: Estimate, there: Claim, lent: Pool | None) -> Gap | None:
    """Welch's; where both sides borrowed our column's std, which is ``lent`` to ours, it counts once."""
    if lent is not None and there.borrowed == "ours":
        return shared_gap(own, there.estimate, lent.std, lent.df)
    return gap(own, there.estimate)


def _own(of: Estimate, pool: Pool | None) -> tuple[Estimate, tuple[str, ...]]:
    """Ours, with the column's std where it is a single run."""
    if of.std is not None or pool is None:
        return of, ()
    return replace(of, std=pool.std, df=pool.df), (
        f"a single run of ours: std borrowed from the column, {pool.std:.2f}",
    )


def overall(verdicts: list[Verdict]) -> str:
    """A table's verdict: how many cells are ``different``, for tests that are corrected by column say no such thing of
    a table; ``reproduced`` if all that the paper has are, which needs no correction: each had to be shown."""
    states = {verdict.state for verdict in verdicts}
    if not states or states == {"not run"}:
        return "not run"
    if "different" in states:
        tested = [verdict for verdict in verdicts if verdict.state != "not run"]
        return f"{sum(each.state == 'different' for each in tested)} of {len(tested)} cells different"
    return "reproduced" if states == {"reproduced"} else "inconclusive"
