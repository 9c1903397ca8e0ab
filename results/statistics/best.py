"""Who is best, and who may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from results.statistics import ALPHA
from results.statistics.estimates import Estimate, gap
from results.statistics.pooling import Pool

DRAWS = 20_000
SEED = 0


def group_of_best(estimates: Mapping[str, Estimate], pool: Pool | None) -> tuple[str, ...] | None:
    """The methods that cannot be told from the one with the largest mean; None where nothing can be tested.

    The best one is chosen by looking, so every pair counts: Tukey–Kramer with the column's std, Games–Howell where
    variances differ. In a column of equal methods one is left out by mistake in at most 5 % of all columns.
    """
    if pool is None or pool.std == 0 or len(estimates) < 2:
        return None
    if not pool.defensible:
        estimates = {name: each for name, each in estimates.items() if each.std is not None}
    if len(estimates) < 2:
        return None
    top = max(estimates.values(), key=lambda each: each.mean)
    return tuple(name for name, each in estimates.items() if not _apart(top, each, len(estimates), pool))


def _apart(top: Estimate, other: Estimate, methods: int, pool: Pool) -> bool:
    """Whether ``other`` is told from the best of ``methods``."""
    difference = math.sqrt(2) * (top.mean - other.mean)
    if pool.defensible:
        return difference > _critical(methods, pool.df) * pool.std * math.sqrt(1 / top.n + 1 / other.n)
    between = gap(top, other)
    assert between is not None
    if between.error == 0:
        return difference > 0
    return bool(stats.studentized_range.sf(difference / between.error, methods, between.df) < ALPHA)


@cache
def _critical(methods: int, df: int) -> float:
    """The studentized range that equal methods exceed in 5 % of columns; scipy's own inverse takes seconds."""

    def over(ratio: float) -> float:
        return float(stats.studentized_range.sf(ratio, methods, df)) - ALPHA

    return float(brentq(over, 1.0, 200.0, xtol=1e-4))


def probability_of_best(estimates: Mapping[str, Estimate], pool: Pool | None) -> dict[str, float]:
    """How probable it is that each method's true mean is the largest, given the runs (flat priors; the std known with
    the column's degrees of freedom, or each method's own). Empty where there is no std. ``DRAWS`` draws of one seed."""
    if pool is None or pool.std == 0 or len(estimates) < 2:
        return {}
    known = estimates if pool.defensible else {name: each for name, each in estimates.items() if each.std}
    if len(known) < 2:
        return {}
    draw = np.random.default_rng(SEED)
    means = np.array([each.mean for each in known.values()])
    n = np.array([each.n for each in known.values()])
    if pool.defensible:
        std = pool.std * np.sqrt(pool.df / draw.chisquare(pool.df, size=(DRAWS, 1)))
    else:
        df = np.array([each.df for each in known.values()])
        own = np.array([each.std for each in known.values()])
        std = own * np.sqrt(df / draw.chisquare(df, size=(DRAWS, len(known))))
    first = np.argmax(means + draw.standard_normal((DRAWS, len(known))) * std / np.sqrt(n), axis=1)
    shares = np.bincount(first, minlength=len(known)) / DRAWS
    return dict(zip(known, map(float, shares), strict=True))
