"""Variance told apart: between pre-trainings, between the seeds of fine-tuning, and what is left.

Every recipe is pre-trained with several seeds, and each pre-training is fine-tuned with the same seeds. Within a
recipe that is a two-way layout without repetition, y = mean + pre-training + fine-tuning seed + residual, all random;
sums of squares are pooled over the recipes of a column. Where runs are missing only one way is left: fine-tuning and
residual are then one component.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from results.statistics import LEVEL
from results.statistics.estimates import Interval

Runs = Mapping[tuple[int, int], float]
"""(seed of the pre-training, index of the fine-tuning) → value."""


@dataclass(frozen=True)
class Component:
    """One source of variance."""

    source: str
    std: float
    """0 where its mean square is below the next one's."""
    interval: Interval
    """95 % of the std: exact for the residual, else modified large-sample (Graybill and Wang 1980)."""
    df: int
    share: float
    """Of the variance of a single run, from 0 to 1."""


@dataclass(frozen=True)
class Decomposition:
    """The components of a column's variance."""

    components: tuple[Component, ...]
    methods: int
    """That have at least two pre-trainings."""
    crossed: bool
    """Whether fine-tuning and residual could be told apart."""

    @property
    def words(self) -> str:
        """One line for people."""
        parts = [f"{c.source} {c.std:.2f} [{c.interval.low:.2f}, {c.interval.high:.2f}]" for c in self.components]
        over = f"pooled over {self.methods} methods" if self.methods > 1 else "of one method"
        return f"std by source, with 95 % intervals, {over}: {'; '.join(parts)}"


@dataclass(frozen=True)
class _Square:
    """A mean square."""

    mean: float
    df: int


def decompose(column: Mapping[str, Runs]) -> Decomposition | None:
    """Of a column: method → its runs. None unless some method has two pre-trainings and some of them two runs."""
    grids = [_by_pretraining(runs) for runs in column.values()]
    grids = [grid for grid in grids if len(grid) > 1]
    if not any(len(runs) > 1 for grid in grids for runs in grid.values()):
        return None
    indices = {frozenset(runs) for grid in grids for runs in grid.values()}
    crossed = len(indices) == 1 and len({len(grid) for grid in grids}) == 1
    parts = _two_ways(grids) if crossed else _one_way(grids)
    total = sum(variance for _, variance, _, _ in parts)
    components = tuple(
        Component(source, math.sqrt(variance), interval, df, variance / total if total else 0.0)
        for source, variance, interval, df in parts
    )
    return Decomposition(components, len(grids), crossed)


def _by_pretraining(runs: Runs) -> dict[int, dict[int, float]]:
    grid: dict[int, dict[int, float]] = {}
    for (seed, index), value in runs.items():
        grid.setdefault(seed, {})[index] = value
    return grid


Part = tuple[str, float, Interval, int]


def _two_ways(grids: list[dict[int, dict[int, float]]]) -> list[Part]:
    cube = np.array([[[runs[index] for index in sorted(runs)] for runs in grid.values()] for grid in grids])
    methods, seeds, repeats = cube.shape
    means = cube.mean(axis=(1, 2), keepdims=True)
    rows, columns = cube.mean(axis=2, keepdims=True) - means, cube.mean(axis=1, keepdims=True) - means
    left = cube - means - rows - columns
    df = methods * (seeds - 1), methods * (repeats - 1), methods * (seeds - 1) * (repeats - 1)
    between = _Square(repeats * float(np.square(rows).sum()) / df[0], df[0])
    tuning = _Square(seeds * float(np.square(columns).sum()) / df[1], df[1])
    residual = _Square(float(np.square(left).sum()) / df[2], df[2])
    return [
        ("pre-training", *_component(between, residual, repeats)),
        ("fine-tuning seed", *_component(tuning, residual, seeds)),
        ("residual", residual.mean, _exact(residual), residual.df),
    ]


def _one_way(grids: list[dict[int, dict[int, float]]]) -> list[Part]:
    squares = within = 0.0
    df_between = df_within = 0
    spread = 0.0
    for grid in grids:
        groups = [np.array(list(runs.values())) for runs in grid.values()]
        sizes = np.array([len(group) for group in groups])
        mean = float(np.concatenate(groups).mean())
        squares += float(sum(len(group) * (group.mean() - mean) ** 2 for group in groups))
        within += float(sum(np.square(group - group.mean()).sum() for group in groups))
        df_between += len(groups) - 1
        df_within += int((sizes - 1).sum())
        spread += float(sizes.sum() - np.square(sizes).sum() / sizes.sum())
    between, rest = _Square(squares / df_between, df_between), _Square(within / df_within, df_within)
    return [
        ("pre-training", *_component(between, rest, spread / df_between)),
        ("fine-tuning and residual", rest.mean, _exact(rest), rest.df),
    ]


def _exact(square: _Square) -> Interval:
    """Of the root of a mean square: chi-squared."""
    tail = (1 - LEVEL) / 2
    high, low = stats.chi2.ppf([tail, 1 - tail], square.df)
    return Interval(math.sqrt(square.df * square.mean / low), math.sqrt(square.df * square.mean / high))


def _component(one: _Square, other: _Square, size: float) -> tuple[float, Interval, int]:
    """(MS₁ − MS₂) / size, not below 0, the interval of its root, and the degrees of freedom of MS₁.

    Modified large-sample limits for a difference of two mean squares (Graybill and Wang 1980; Ting and others 1990).
    """
    tail, a, b = (1 - LEVEL) / 2, one.mean, other.mean
    g1, g2 = (1 - square.df / stats.chi2.ppf(1 - tail, square.df) for square in (one, other))
    h1, h2 = (square.df / stats.chi2.ppf(tail, square.df) - 1 for square in (one, other))
    f_high, f_low = stats.f.ppf([1 - tail, tail], one.df, other.df)
    g12 = ((f_high - 1) ** 2 - (g1 * f_high) ** 2 - h2**2) / f_high
    h12 = ((1 - f_low) ** 2 - (h1 * f_low) ** 2 - g2**2) / f_low
    low = a - b - math.sqrt(max((g1 * a) ** 2 + (h2 * b) ** 2 + g12 * a * b, 0.0))
    high = a - b + math.sqrt(max((h1 * a) ** 2 + (g2 * b) ** 2 + h12 * a * b, 0.0))
    limits = Interval(math.sqrt(max(low, 0.0) / size), math.sqrt(max(high, 0.0) / size))
    return max(a - b, 0.0) / size, limits, one.df
