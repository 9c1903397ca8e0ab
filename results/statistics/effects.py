"""How large a difference is beside the spread of single runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from results.statistics import LEVEL
from results.statistics.estimates import Interval


@dataclass(frozen=True)
class Effect:
    """A difference in units of the std of single runs."""

    g: float
    """Hedges' g, corrected for small samples."""
    interval: Interval
    """Of the true value: by the noncentralities of t under which one as small, and one as large, is likely enough."""


def hedges(difference: float, std: float, df: float, n_one: int, n_other: int, level: float = LEVEL) -> Effect:
    """Of two means whose runs have one ``std``, known with ``df`` degrees of freedom.

    g = J d / s with J = Γ(df/2) / (√(df/2) Γ((df − 1)/2)) (Hedges 1981). For df = 1 there is no such mean: J = 1.
    """
    scale = math.sqrt(1 / n_one + 1 / n_other)
    shrink = math.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / math.sqrt(df / 2) if df > 1 else 1.0
    t = difference / (std * scale)
    low, high = (scale * float(special.nctdtrinc(df, tail, t)) for tail in ((1 + level) / 2, (1 - level) / 2))
    return Effect(shrink * difference / std, Interval(low, high))


def superiority(one: Sequence[float], other: Sequence[float]) -> float:
    """Share of pairs of runs in which ``one``'s is the better one, ties half: the probability P(A > B) that a single
    run of A beats one of B. Bouthillier et al. (2021) ask for 0.75 before a difference is called meaningful."""
    pairs = np.subtract.outer(np.asarray(one, dtype=float), np.asarray(other, dtype=float))
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())
