"""Whether two means are the same for practical purposes: no test of "no difference" can ever say so."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from results.statistics import ALPHA
from results.statistics.estimates import Gap, Interval


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests (TOST) of a difference against ± ``margin``."""

    margin: float
    """Largest difference that does not matter, in the metric's points."""
    p: float
    """The larger of both one-sided p."""
    interval: Interval
    """Of 1 − 2 alpha, i.e. 90 %: the difference is equivalent if this lies within the margin."""

    @property
    def equivalent(self) -> bool:
        """Whether the difference is shown to be smaller than the margin."""
        return self.p < ALPHA


def tost(between: Gap, margin: float) -> Equivalence:
    """Schuirmann's two one-sided tests, each at alpha."""
    interval = between.interval(1 - 2 * ALPHA)
    if between.error == 0:
        return Equivalence(margin, float(abs(between.difference) >= margin), interval)
    below = stats.t.sf((between.difference + margin) / between.error, between.df)
    above = stats.t.cdf((between.difference - margin) / between.error, between.df)
    return Equivalence(margin, float(max(below, above)), interval)
