"""All that the runs of one column say about its methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.statistics import power as powers
from results.statistics.best import group_of_best, probability_of_best
from results.statistics.contrasts import Difference, against
from results.statistics.estimates import Estimate, Interval, estimate, mean_interval
from results.statistics.pooling import Pool, pool


@dataclass(frozen=True)
class Column:
    """One metric of one task, over methods that have runs. Names are recipes."""

    task: str
    metric: str
    baseline: str | None
    """None if no baseline has runs."""
    estimates: dict[str, Estimate]
    intervals: dict[str, Interval | None]
    """95 % t-interval of each mean, with the method's own std."""
    pool: Pool | None
    differences: tuple[Difference, ...]
    """Against the baseline; empty without one."""
    best: tuple[str, ...] | None
    """Who cannot be told from the largest mean; None where this cannot be tested."""
    probabilities: dict[str, float]
    """Of being the best; empty where there is no std."""
    detectable: float | None
    """The smallest true difference from the baseline that is found with 80 % power after correction, with as many runs
    as the method with fewest has; by the column's std, also where contrasts rest on Welch's test;
    None where they do and a single run has none."""
    margin_within_reach: float | None
    """The smallest margin within which two equal methods would be shown equivalent with 80 % power, likewise."""


def analyse(task: str, metric: str, groups: Mapping[str, Sequence[float]], baseline: str | None) -> Column:
    """The statistics of ``groups``: method → its values, at least one each, in the table's order."""
    groups = {name: values for name, values in groups.items() if values}
    baseline = baseline if baseline in groups else None
    shared, estimates = pool(groups), {name: estimate(values) for name, values in groups.items()}
    fewest, df = min(map(len, groups.values()), default=0), shared.df if shared else 0
    testable = shared is not None and len(groups) > 1 and (shared.defensible or fewest > 1)
    std = shared.std if shared and testable else 0.0
    return Column(
        task=task,
        metric=metric,
        baseline=baseline,
        estimates=estimates,
        intervals={name: mean_interval(each) for name, each in estimates.items()},
        pool=shared,
        differences=against(baseline, groups, shared) if baseline is not None else (),
        best=group_of_best(estimates, shared),
        probabilities=probability_of_best(estimates, shared),
        detectable=powers.detectable(std, fewest, fewest, df, len(groups) - 1) if std else None,
        margin_within_reach=powers.margin_within_reach(std, fewest, fewest, df) if std else None,
    )
