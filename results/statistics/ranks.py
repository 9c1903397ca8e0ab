"""Whether two tables put the same methods in the same order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from results.statistics import LEVEL
from results.statistics.best import DRAWS, SEED
from results.statistics.estimates import Estimate, Interval

FEWEST = 5
"""Methods with which an order can say anything: the best possible p of four is 2 / 4! = 0.083."""
FEWEST_FOR_INTERVAL = 8
"""Methods from which Fieller's interval covers as it says: 93 to 96 % at 8, 64 to 98 % at 5 (bivariate normal)."""
VARIANCE = 0.437
"""Of atanh(tau), times (n − 4): Fieller, Hartley and Pearson, Biometrika 44 (1957)."""


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau-b between two orders: 1 the same, −1 reversed."""

    methods: int
    tau: float
    interval: Interval | None
    """95 % for tau among methods of which these are a sample; None below eight of them, and where tau is 1 or −1."""
    redrawn: Interval | None
    """The middle 95 % of tau if all means were drawn again within their errors (``DRAWS`` // 4 draws); None if a side
    has no std, or below five methods. How firm the order is, and no confidence interval of the true tau: the runs hold
    their noise already, and more of it only blurs, so among close methods nearly all draws lie below the truth."""
    p: float | None
    """Two-sided p of unrelated orders; None where even equal orders could not reach 0.05 (four methods or fewer)."""


def agreement(ours: Mapping[str, Estimate], theirs: Mapping[str, Estimate]) -> Agreement | None:
    """Over the methods that both have; None for fewer than two or if a side puts all at the same place."""
    names = [name for name in ours if name in theirs]
    mine, paper = [ours[name] for name in names], [theirs[name] for name in names]
    means = np.array([[each.mean for each in side] for side in (mine, paper)])
    if len(names) < 2 or any(len(set(side)) < 2 for side in means.tolist()):
        return None
    found = stats.kendalltau(*means)
    p = float(found.pvalue) if len(names) >= FEWEST else None
    tau = float(found.statistic)
    return Agreement(len(names), tau, _among_others(tau, len(names)), _redrawn(mine, paper), p)


def _among_others(tau: float, methods: int) -> Interval | None:
    if methods < FEWEST_FOR_INTERVAL or abs(tau) > 1 - 1e-12:
        return None
    middle, half = np.arctanh(tau), stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt(VARIANCE / (methods - 4))
    return Interval(float(np.tanh(middle - half)), float(np.tanh(middle + half)))


def _redrawn(mine: list[Estimate], paper: list[Estimate]) -> Interval | None:
    if len(mine) < FEWEST or any(not each.std for each in (*mine, *paper)):
        return None
    draw = np.random.default_rng(SEED)
    upper = np.triu_indices(len(mine), 1)
    signs = []
    for side in (mine, paper):
        means, df = np.array([each.mean for each in side]), np.array([each.df for each in side])
        errors = np.array([each.error for each in side])
        drawn = means + errors * draw.standard_t(df, size=(DRAWS // 4, len(side)))
        signs.append(np.sign(drawn[:, upper[0]] - drawn[:, upper[1]]))
    taus = (signs[0] * signs[1]).mean(axis=1)
    low, high = np.quantile(taus, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
