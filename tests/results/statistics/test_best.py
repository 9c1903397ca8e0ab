"""Which methods cannot be told from the best, how probable it is that the best is best, and how firm the order is."""

import numpy as np
import pytest
from scipy import stats

from results.statistics.best import group_of_best, probability_of_best
from results.statistics.estimates import Estimate, estimate
from results.statistics.pooling import pool
from results.statistics.ranks import agreement

GROUPS = {
    "a": [50.0, 50.4, 49.8, 50.1, 50.3],
    "b": [50.2, 50.6, 50.1, 50.0, 50.5],
    "c": [51.9, 52.3, 52.0, 51.7, 52.2],
    "d": [52.0, 52.5, 51.8, 52.1, 52.4],
}


def estimates(groups):
    return {name: estimate(values) for name, values in groups.items()}


def test_the_group_of_best_is_what_tukeys_test_leaves():
    found = stats.tukey_hsd(*GROUPS.values()).pvalue[3]
    assert group_of_best(estimates(GROUPS), pool(GROUPS)) == tuple(
        name for name, p in zip(GROUPS, found, strict=True) if p >= 0.05
    )
    assert group_of_best(estimates(GROUPS), pool(GROUPS)) == ("c", "d")


def test_unequal_variances_make_it_games_howell():
    groups = {"calm": [50.0, 50.1, 49.9], "high": [51.0, 51.1, 50.9], "wild": [20.0, 75.0, 50.0]}
    shared = pool(groups)
    shared = shared if not shared.defensible else type(shared)(shared.std, shared.df, shared.methods, 0.001)
    assert group_of_best(estimates(groups), shared) == ("high", "wild")


def test_without_spread_nobody_is_told_from_the_best():
    assert group_of_best(estimates({"a": [1.0], "b": [2.0]}), None) is None
    assert probability_of_best(estimates({"a": [1.0], "b": [2.0]}), None) == {}


def test_the_probability_of_being_best_is_that_of_a_t_test_for_two():
    groups = {name: GROUPS[name] for name in ("a", "b")}
    shared = pool(groups)
    shares = probability_of_best(estimates(groups), shared)
    t = (np.mean(groups["b"]) - np.mean(groups["a"])) / (shared.std * np.sqrt(2 / 5))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["b"] == pytest.approx(stats.t.cdf(t, shared.df), abs=0.01)
    assert probability_of_best(estimates(groups), shared) == shares  # one seed


def orders(ours, theirs, std=0.1):
    sides = [{name: Estimate(mean, std, 5, 4) for name, mean in side.items()} for side in (ours, theirs)]
    return agreement(*sides)


def test_kendalls_tau_is_scipys_and_is_tested_only_where_it_can_be():
    mine = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 5.0, "e": 4.0, "ours alone": 9.0}
    paper = {"a": 11.0, "b": 12.0, "c": 13.0, "d": 14.0, "e": 15.0}
    found = orders(mine, paper)
    expected = stats.kendalltau([1, 2, 3, 5, 4], [1, 2, 3, 4, 5])
    assert (found.methods, found.tau, found.p) == (5, expected.statistic, expected.pvalue)
    assert found.redrawn.high == pytest.approx(0.8)
    assert found.interval is None  # from eight methods on
    assert orders(mine, paper, std=1.0).redrawn.low < 0.8
    four = orders(dict(list(mine.items())[:4]), paper)
    assert four.tau == 1.0
    assert four.redrawn is None
    assert four.p is None  # the best possible p of four methods is 0.083


def test_what_drawing_again_gives_grows_with_the_errors():
    mine = paper = dict(zip("abcde", (1.0, 2.0, 3.0, 4.0, 5.0), strict=True))
    assert orders(mine, paper, std=0.01).redrawn.low == 1.0
    assert orders(mine, paper, std=3.0).redrawn.low < 0
    assert orders(mine, paper, std=None).redrawn is None
    assert orders({"a": 1.0}, paper) is None
    assert orders({"a": 1.0, "b": 1.0}, paper) is None
