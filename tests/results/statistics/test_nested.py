"""Variance by source where there are several pre-trainings."""

import numpy as np
import pytest
import statsmodels.formula.api as smf
from pandas import DataFrame
from statsmodels.stats.anova import anova_lm

from results.statistics.nested import decompose


def grid(seed, seeds=3, runs=5):
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((seeds, 1)) + 0.5 * draw.standard_normal((1, runs))
    values = values + 0.2 * draw.standard_normal((seeds, runs))
    return {(s, r): float(values[s, r]) for s in range(seeds) for r in range(runs)}


def frame(runs):
    return DataFrame([(s, r, value) for (s, r), value in runs.items()], columns=["seed", "run", "value"])


def test_one_method_gives_the_mean_squares_of_an_analysis_of_variance():
    runs = grid(0)
    table = anova_lm(smf.ols("value ~ C(seed) + C(run)", frame(runs)).fit())["mean_sq"]
    found = {part.source: part for part in decompose({"m": runs}).components}
    assert found["residual"].std ** 2 == pytest.approx(table["Residual"])
    assert found["pre-training"].std ** 2 == pytest.approx((table["C(seed)"] - table["Residual"]) / 5)
    assert found["fine-tuning seed"].std ** 2 == pytest.approx((table["C(run)"] - table["Residual"]) / 3)
    assert sum(part.share for part in found.values()) == pytest.approx(1)


def test_where_runs_are_missing_fine_tuning_and_residual_are_one():
    runs = grid(1)
    del runs[2, 4], runs[2, 3]
    found = decompose({"m": runs})
    table = anova_lm(smf.ols("value ~ C(seed)", frame(runs)).fit())["mean_sq"]
    parts = {part.source: part for part in found.components}
    assert not found.crossed
    assert parts["fine-tuning and residual"].std ** 2 == pytest.approx(table["Residual"])
    size = (13 - (25 + 25 + 9) / 13) / 2
    between = (table["C(seed)"] - table["Residual"]) / size
    assert parts["pre-training"].std ** 2 == pytest.approx(max(between, 0))


def test_methods_are_pooled_and_a_single_pre_training_says_nothing():
    both = decompose({"a": grid(2), "b": grid(3), "one seed": grid(4, seeds=1)})
    assert (both.methods, [part.df for part in both.components]) == (2, [4, 8, 16])
    assert decompose({"one seed": grid(4, seeds=1)}) is None
    assert decompose({"one run each": grid(5, runs=1)}) is None
    for word in ("pre-training", "residual", "95 %", "2 methods"):
        assert word in both.words


def test_no_spread_between_pre_trainings_is_zero_with_an_interval():
    runs = {(s, r): float(r) + 0.1 * ((s + r) % 2) + 0.02 * (s > 1) for s in range(4) for r in range(4)}
    part = decompose({"m": runs}).components[0]
    assert part.std == 0
    assert part.interval.low == 0
    assert part.interval.high > 0
