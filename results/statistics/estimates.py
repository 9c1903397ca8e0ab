"""A mean with what is known about its error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from results.statistics import LEVEL


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``, both in the unit of what it is an interval of."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """Mean and sample standard deviation (n − 1) of ``n`` runs."""

    mean: float
    std: float | None
    """None where nothing says it."""
    n: int
    df: float
    """Degrees of freedom of ``std``: n − 1, or more where it was borrowed from several cells."""

    @property
    def error(self) -> float | None:
        """Standard error of the mean."""
        return None if self.std is None else self.std / math.sqrt(self.n)


@dataclass(frozen=True)
class Gap:
    """One mean less another."""

    difference: float
    error: float
    """Standard error of the difference."""
    df: float

    @property
    def p(self) -> float | None:
        """Two-sided p of no difference; None without any spread, where there is no test."""
        if self.error == 0:
            return None
        return float(2 * stats.t.sf(abs(self.difference) / self.error, self.df))

    def interval(self, level: float = LEVEL) -> Interval:
        """The t-interval of the difference."""
        half = float(stats.t.ppf((1 + level) / 2, self.df)) * self.error
        return Interval(self.difference - half, self.difference + half)


def estimate(values: Sequence[float]) -> Estimate:
    """Of at least one run."""
    n = len(values)
    if n > 1 and min(values) == max(values):  # rounding would leave a std of 1e-15, which passes for a spread
        return Estimate(float(values[0]), 0.0, n, n - 1)
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1)) if n > 1 else None, n, max(n - 1, 0))


def mean_interval(of: Estimate, level: float = LEVEL) -> Interval | None:
    """Student's t-interval of a mean; None for a single run.

    With three runs a bootstrap interval of nominal 95 % covers 68 %, and mean ± std 78 %: neither is offered.
    """
    if of.error is None or of.df == 0:
        return None
    half = float(stats.t.ppf((1 + level) / 2, of.df)) * of.error
    return Interval(of.mean - half, of.mean + half)


def gap(one: Estimate, other: Estimate) -> Gap | None:
    """Welch's: each side brings its own std, and df follow Satterthwaite. None if a side has no std."""
    if one.error is None or other.error is None:
        return None
    return Gap(one.mean - other.mean, math.hypot(one.error, other.error), _satterthwaite(one, other))


def shared_gap(one: Estimate, other: Estimate, std: float, df: float) -> Gap:
    """Of two means whose runs have one ``std``: it is known once, with its own df, however many means share it."""
    return Gap(one.mean - other.mean, std * math.sqrt(1 / one.n + 1 / other.n), df)


def _satterthwaite(one: Estimate, other: Estimate) -> float:
    first, second = (one.error or 0.0) ** 2, (other.error or 0.0) ** 2
    if first + second == 0:
        return one.df + other.df
    return (first + second) ** 2 / sum(part**2 / side.df for part, side in ((first, one), (second, other)) if part)
