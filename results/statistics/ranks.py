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


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau-b between two orders: 1 the same, −1 reversed."""

    methods: int
    tau: float
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
    return Agreement(len(names), float(found.statistic), _redrawn(mine, paper), p)


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
