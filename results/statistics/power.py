"""What n runs can find, and how many would decide. All by the noncentral t distribution."""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import stats
from scipy.optimize import brentq

from results.statistics import ALPHA, POWER
from results.statistics.estimates import Estimate, gap

MOST = 1000
"""Runs above which "more runs" is no advice."""


def of_difference(difference: float, error: float, df: float, alpha: float = ALPHA) -> float:
    """Probability that a two-sided t-test finds a true ``difference`` that is measured with ``error``."""
    critical = stats.t.ppf(1 - alpha / 2, df)
    shift = abs(difference) / error
    return 1 - _below(critical, df, shift) + _below(-critical, df, shift)


def of_equivalence(difference: float, margin: float, error: float, df: float) -> float:
    """Probability that TOST shows equivalence while the true difference is ``difference`` (Phillips 1990)."""
    critical = stats.t.ppf(1 - ALPHA, df)
    upper = _below(-critical, df, (difference - margin) / error)
    return max(upper - _below(critical, df, (difference + margin) / error), 0.0)


def _below(t: float, df: float, shift: float) -> float:
    """Probability of less than ``t``; scipy has no number for what is below 1e-16."""
    probability = float(stats.nct.cdf(t, df, shift))
    return 0.0 if math.isnan(probability) else probability


def detectable(std: float, n_one: int, n_other: int, df: float, comparisons: int = 1) -> float | None:
    """The smallest true difference that is found with probability ``POWER``, at alpha / ``comparisons`` (the first
    step of Holm). None without spread."""
    if std == 0 or df == 0:
        return None
    error, alpha = std * math.sqrt(1 / n_one + 1 / n_other), ALPHA / comparisons
    high = 2 * float(stats.t.ppf(1 - alpha / 2, df)) + 10
    return error * float(brentq(lambda ratio: of_difference(ratio, 1.0, df, alpha) - POWER, 0.01, high))


def margin_within_reach(std: float, n_one: int, n_other: int, df: float) -> float | None:
    """The smallest margin within which TOST shows two equal means to be with probability ``POWER``."""
    if std == 0 or df == 0:
        return None
    error = std * math.sqrt(1 / n_one + 1 / n_other)
    high = 2 * float(stats.t.ppf(1 - ALPHA, df)) + 10
    return error * float(brentq(lambda ratio: of_equivalence(0.0, ratio, 1.0, df) - POWER, 0.01, high))


def runs_to_tell(difference: float, std: float, methods: int, comparisons: int = 1) -> int | None:
    """Runs of each of ``methods`` that share a std, with which a true ``difference`` is found; None above ``MOST``."""
    if std == 0 or difference == 0:
        return None
    alpha = ALPHA / comparisons
    return _fewest(lambda n: of_difference(difference, std * math.sqrt(2 / n), methods * (n - 1), alpha))


def runs_to_decide(ours: Estimate, theirs: Estimate, margin: float, comparisons: int = 1) -> int | None:
    """Runs of ours, more than there are, with which the verdict against a fixed published cell would be ``reproduced``
    or ``different``, if the true difference is the observed one; None above ``MOST``: the published runs alone leave
    too much open.

    ``different`` is asked for at alpha / ``comparisons``, the first step of Holm.
    """
    if not ours.std or theirs.std is None:
        return None

    def power(n: int) -> float:
        between = gap(Estimate(ours.mean, ours.std, n, n - 1), theirs)
        assert between is not None
        difference, error, df = between.difference, between.error, between.df
        return max(
            of_equivalence(difference, margin, error, df), of_difference(difference, error, df, ALPHA / comparisons)
        )

    return _fewest(power, max(ours.n + 1, 2))


def _fewest(power: Callable[[int], float], least: int = 2) -> int | None:
    """The smallest n from ``least`` on whose power suffices."""
    low, high = least - 1, least
    while power(high) < POWER:
        low, high = high, high * 2
        if low >= MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high if high <= MOST else None
