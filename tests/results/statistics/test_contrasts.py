"""Differences from a baseline: by the column's std, by Welch, corrected over the column."""

import numpy as np
import pytest
import statsmodels.formula.api as smf
from pandas import DataFrame
from scipy import stats
from statsmodels.stats.multitest import multipletests

from results.statistics import power
from results.statistics.column import analyse
from results.statistics.contrasts import against, holm
from results.statistics.estimates import estimate
from results.statistics.pooling import pool

GROUPS = {
    "byol": [51.0, 52.5, 50.25, 51.75, 52.0],
    "moco": [48.5, 49.0, 49.75],
    "sim": [53.1, 52.2, 53.9, 52.8, 53.3],
    "once": [50.0],
}


def by_method(differences):
    return {each.method: each for each in differences}


def test_pooled_contrasts_are_those_of_a_linear_model():
    rows = [(name, value) for name, values in GROUPS.items() for value in values]
    frame = DataFrame(rows, columns=["method", "value"])
    model = smf.ols("value ~ C(method, Treatment('moco'))", frame).fit()
    found = by_method(against("moco", GROUPS, pool(GROUPS)))
    assert pool(GROUPS).std ** 2 == pytest.approx(model.mse_resid)
    for name, ours in found.items():
        term = f"C(method, Treatment('moco'))[T.{name}]"
        assert ours.difference == pytest.approx(model.params[term])
        assert ours.p == pytest.approx(model.pvalues[term])
        assert (ours.interval.low, ours.interval.high) == pytest.approx(tuple(model.conf_int().loc[term]))
        assert ours.basis == "pooled"
    corrected = multipletests([each.p for each in found.values()], method="holm")[1]
    assert [each.adjusted for each in found.values()] == pytest.approx(list(corrected))


def test_welch_stands_beside_every_contrast_and_cannot_judge_a_single_run():
    found = by_method(against("moco", GROUPS, pool(GROUPS)))
    raw = [stats.ttest_ind(GROUPS[name], GROUPS["moco"], equal_var=False).pvalue for name in ("byol", "sim")]
    assert [found[name].welch for name in ("byol", "sim")] == pytest.approx(list(multipletests(raw, method="holm")[1]))
    assert found["once"].welch is None
    assert not found["once"].confirmed
    assert found["sim"].state == "higher"
    assert found["sim"].confirmed


def test_unequal_variances_make_every_contrast_welchs():
    draw = np.random.default_rng(3)
    groups = {"calm": [50.0, 50.1, 49.9, 50.05, 49.95], "even": [51.0, 51.1, 50.9, 51.05, 50.95]}
    groups["wild"] = (50 + 20 * draw.standard_normal(5)).tolist()
    shared = pool(groups)
    assert not shared.defensible
    found = by_method(against("calm", groups, shared))
    assert found["even"].basis == "welch"
    assert found["even"].p == pytest.approx(stats.ttest_ind(groups["even"], groups["calm"], equal_var=False).pvalue)
    assert found["even"].state == "higher"


def test_what_has_no_spread_is_not_testable():
    found = against("a", {"a": [1.0], "b": [2.0]}, pool({"a": [1.0], "b": [2.0]}))
    assert [(each.state, each.p, each.effect, each.runs) for each in found] == [("not testable", None, None, None)]
    same = {"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 2.0]}
    assert [each.state for each in against("a", same, pool(same))] == ["not testable"]
    assert analyse("t", "m", same, "a").best is None


def test_brown_forsythe_is_asked_only_where_it_can_answer():
    assert pool({"a": [1.0, 2.0], "b": [3.0, 9.0]}).p_equal is None
    large = {"a": [1.0, 2.0, 4.0], "b": [3.0, 9.0, 4.0]}
    assert pool(large).p_equal == pytest.approx(stats.levene(*large.values(), center="median").pvalue)
    assert pool({"a": [1.0], "b": [3.0]}) is None


def test_holm_leaves_out_what_has_no_p():
    assert holm({"a": 0.01, "b": None, "c": 0.04}) == {"a": 0.02, "b": None, "c": 0.04}
    assert holm({"a": None}) == {"a": None}


@pytest.mark.parametrize(
    ("n", "df", "comparisons", "expected"),
    [(3, 40, 19, 3.34), (5, 80, 19, 2.50), (10, 18, 1, 1.33), (5, 8, 1, 2.02)],
)
def test_the_detectable_difference_is_what_simulation_gave(n, df, comparisons, expected):
    assert power.detectable(1.0, n, n, df, comparisons) == pytest.approx(expected, abs=0.02)
    assert power.detectable(0.25, n, n, df, comparisons) == pytest.approx(0.25 * expected, abs=0.01)


@pytest.mark.parametrize(("n", "df", "expected"), [(3, 40, 2.4), (5, 80, 1.9), (10, 180, 1.3), (5, 8, 2.0)])
def test_the_margin_within_reach_is_what_simulation_gave(n, df, expected):
    assert power.margin_within_reach(1.0, n, n, df) == pytest.approx(expected, abs=0.05)


def test_runs_that_would_tell_are_the_fewest():
    n = power.runs_to_tell(1.0, 1.0, methods=2)
    assert n == 17  # of each of two methods: every textbook's table of d = 1, 80 % power, two-sided 5 %
    assert power.runs_to_tell(0.01, 1.0, methods=2) is None
    assert power.runs_to_tell(1.0, 1.0, methods=9, comparisons=8) > n
    assert power.of_difference(1.0, np.sqrt(2 / 17), 32) >= 0.8 > power.of_difference(1.0, np.sqrt(2 / 16), 30)


def test_a_column_without_its_baseline_has_no_differences():
    column = analyse("voc_detection", "AP", {**GROUPS, "none": []}, "none")
    assert (column.baseline, column.differences) == (None, ())
    assert set(column.estimates) == set(GROUPS)
    assert column.intervals["once"] is None


def test_holm_is_statsmodels():
    ps = np.random.default_rng(0).uniform(size=(5, 7)) ** 3
    for row in ps:
        ours = list(holm({str(index): p for index, p in enumerate(row)}).values())
        assert ours == pytest.approx(list(multipletests(row, method="holm")[1]))


def test_nothing_is_detectable_where_a_single_run_has_no_std_to_be_tested_with():
    wild = {"calm": [50.0, 50.1, 49.9, 50.05, 49.95], "even": [51.0, 51.1, 50.9, 51.05, 50.95]}
    wild["wild"] = (50 + 20 * np.random.default_rng(3).standard_normal(5)).tolist()
    assert analyse("t", "m", wild, "calm").detectable is not None
    column = analyse("t", "m", {**wild, "once": [50.0]}, "calm")
    assert not column.pool.defensible
    assert by_method(column.differences)["once"].state == "not testable"
    assert (column.detectable, column.margin_within_reach) == (None, None)


def test_equal_runs_have_no_spread_whatever_the_rounding():
    same = {"a": [0.1] * 3, "b": [60.7] * 5, "c": [33.3] * 7}
    assert pool(same).std == 0.0
    assert pool(same).p_equal is None
    assert [estimate(values).std for values in same.values()] == [0.0, 0.0, 0.0]
    assert {each.state for each in against("a", same, pool(same))} == {"not testable"}
