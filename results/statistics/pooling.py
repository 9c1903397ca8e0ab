"""The std that the methods of a column share. With three runs each, it is what makes comparisons possible at all:
a difference of 3.3 std can be found among 20 methods, where Welch needs 10."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from results.statistics import ALPHA


@dataclass(frozen=True)
class Pool:
    """Within-method variance of a column (the mean square within of a one-way analysis of variance)."""

    std: float
    df: int
    """Runs less methods."""
    methods: int
    """That have at least two runs, and so contribute."""
    p_equal: float | None
    """Brown–Forsythe's p of equal variances (Levene's test about the medians); None where it cannot be tested."""

    @property
    def defensible(self) -> bool:
        """Whether one std may stand for all: unless the test says that variances differ."""
        return self.p_equal is None or self.p_equal >= ALPHA


def pool(groups: Mapping[str, Sequence[float]]) -> Pool | None:
    """Of a column's methods, each with its runs; None if none has two."""
    several = [np.asarray(values, dtype=float) for values in groups.values() if len(values) > 1]
    df = sum(len(values) - 1 for values in several)
    if not df:
        return None
    spread = [values for values in several if np.ptp(values)]  # rounding would give a constant one some, too
    squares = sum(float(np.square(values - values.mean()).sum()) for values in spread)
    return Pool(math.sqrt(squares / df), df, len(several), _brown_forsythe(several))


def _brown_forsythe(groups: Sequence[np.ndarray]) -> float | None:
    """None below two methods of three runs: the distances of two values from their median are always equal."""
    large = [values for values in groups if len(values) > 2]
    if len(large) < 2 or not any(np.ptp(values) for values in large):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # distances that are all alike: p is not a number
        p = float(stats.levene(*large, center="median").pvalue)
    return None if math.isnan(p) else p
