"""Every method of a column against one baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from results.statistics import ALPHA, LEVEL
from results.statistics import power as powers
from results.statistics.effects import Effect, hedges, superiority
from results.statistics.estimates import Gap, Interval, estimate, gap, shared_gap
from results.statistics.pooling import Pool

Basis = Literal["pooled", "welch"]
State = Literal["higher", "lower", "not told apart", "not testable"]


@dataclass(frozen=True)
class Difference:
    """A method less the baseline, in the metric's points; all a forest plot needs."""

    method: str
    baseline: str
    difference: float
    state: State
    """By ``adjusted``; ``not testable`` where there is no std to test with."""
    basis: Basis
    """Whose std: the column's, or the two methods' own where variances differ."""
    interval: Interval | None
    """95 %, of this difference alone."""
    simultaneous: Interval | None
    """95 % for all differences of the column together (Bonferroni)."""
    p: float | None
    adjusted: float | None
    """p after Holm over the column."""
    welch: float | None
    """The check: p by Welch's test, after Holm over the column."""
    effect: Effect | None
    superiority: float
    """P(A > B): share of pairs of single runs in which the method beats the baseline."""
    detectable: float | None
    """The smallest true difference that as many runs find with 80 % power after correction."""
    runs: int | None
    """Runs of each method that would find the observed difference with 80 % power; None above 1000."""

    @property
    def confirmed(self) -> bool:
        """Whether Welch's test agrees with the state."""
        apart = self.state in {"higher", "lower"}
        return self.welch is not None and (self.welch < ALPHA) == apart


def against(baseline: str, groups: Mapping[str, Sequence[float]], pool: Pool | None) -> tuple[Difference, ...]:
    """Contrasts of all methods with ``baseline``, in the order of ``groups``; ``pool`` is of the same column.

    Raises:
        KeyError: the baseline is none of them.
    """
    tests = corrected(baseline, groups, pool)
    return tuple(
        _difference((name, groups[name]), (baseline, groups[baseline]), tests, pool)
        for name in groups
        if name != baseline
    )


@dataclass(frozen=True)
class Corrected:
    """The tests of a column's contrasts; all by method."""

    basis: Basis
    gaps: dict[str, Gap | None]
    p: dict[str, float | None]
    adjusted: dict[str, float | None]
    welch: dict[str, float | None]


def corrected(baseline: str, groups: Mapping[str, Sequence[float]], pool: Pool | None) -> Corrected:
    """Every method against ``baseline``.

    The pooled contrast is the one-way analysis of variance's: t = d / (s √(1/n + 1/m)) with the column's s and degrees
    of freedom. Where Brown–Forsythe says that variances differ, each contrast rests on Welch's test instead.
    """
    estimates = {name: estimate(values) for name, values in groups.items()}
    base, others = estimates[baseline], [name for name in groups if name != baseline]
    welch = {name: gap(estimates[name], base) for name in others}
    basis: Basis = "welch"
    gaps = welch
    if pool is not None and pool.defensible:
        basis, gaps = "pooled", {name: shared_gap(estimates[name], base, pool.std, pool.df) for name in others}
    raw = _ps(gaps)
    return Corrected(basis, gaps, raw, holm(raw), holm(_ps(welch)))


def _ps(gaps: Mapping[str, Gap | None]) -> dict[str, float | None]:
    return {name: between.p if between else None for name, between in gaps.items()}


def holm(raw: Mapping[str, float | None]) -> dict[str, float | None]:
    """p after Holm's correction over those that there are.

    Equal to statsmodels' ``multipletests``, which collects all garbage at every call: 0.2 s each.
    """
    known = sorted((p, name) for name, p in raw.items() if p is not None)
    corrected: dict[str, float | None] = dict.fromkeys(raw)
    largest = 0.0
    for rank, (p, name) in enumerate(known):
        largest = max(largest, min(p * (len(known) - rank), 1.0))
        corrected[name] = largest
    return corrected


def _difference(
    method: tuple[str, Sequence[float]], baseline: tuple[str, Sequence[float]], tests: Corrected, pool: Pool | None
) -> Difference:
    (name, ours), (base, theirs) = method, baseline
    difference = estimate(ours).mean - estimate(theirs).mean
    between = tests.gaps[name]
    tested = between if between and between.error > 0 else None
    std, df = _spread(tested, tests.basis, pool, len(ours), len(theirs))
    comparisons, sharing = len(tests.gaps), pool.methods if tests.basis == "pooled" and pool else 2
    return Difference(
        method=name,
        baseline=base,
        difference=difference,
        state=_state(difference, tests.adjusted[name]),
        basis=tests.basis,
        interval=tested.interval() if tested else None,
        simultaneous=tested.interval(1 - (1 - LEVEL) / comparisons) if tested else None,
        p=tests.p[name],
        adjusted=tests.adjusted[name],
        welch=tests.welch[name],
        effect=hedges(difference, std, df, len(ours), len(theirs)) if std else None,
        superiority=superiority(ours, theirs),
        detectable=powers.detectable(std, len(ours), len(theirs), df, comparisons) if std else None,
        runs=powers.runs_to_tell(difference, std, sharing, comparisons) if std else None,
    )


def _spread(between: Gap | None, basis: Basis, pool: Pool | None, n_one: int, n_other: int) -> tuple[float, float]:
    """The std of single runs behind a contrast, and its degrees of freedom; 0 where there is none."""
    if between is None:
        return 0.0, 0.0
    if basis == "pooled" and pool is not None:
        return pool.std, pool.df
    return between.error / math.sqrt(1 / n_one + 1 / n_other), between.df


def _state(difference: float, adjusted: float | None) -> State:
    if adjusted is None:
        return "not testable"
    if adjusted >= ALPHA:
        return "not told apart"
    return "higher" if difference > 0 else "lower"
