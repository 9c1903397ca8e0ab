"""Mean, std, intervals and tests of two samples, against scipy, statsmodels and textbooks."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_ind

from results.statistics.effects import hedges, superiority
from results.statistics.equivalence import tost
from results.statistics.estimates import estimate, gap, mean_interval

ONE, OTHER = [51.0, 52.5, 50.25, 51.75, 52.0], [48.5, 49.0, 49.75]


def test_mean_std_and_interval_are_those_of_scipy():
    ours = estimate(ONE)
    assert (ours.mean, ours.std) == (pytest.approx(np.mean(ONE)), pytest.approx(np.std(ONE, ddof=1)))
    theirs = stats.t.interval(0.95, 4, np.mean(ONE), stats.sem(ONE))
    assert (mean_interval(ours).low, mean_interval(ours).high) == pytest.approx(theirs)


def test_a_single_run_has_neither_std_nor_interval_nor_test():
    alone = estimate([50.0])
    assert (alone.std, mean_interval(alone), gap(alone, estimate(ONE))) == (None, None, None)


def test_equal_runs_cannot_be_tested():
    same = estimate([50.0, 50.0, 50.0])
    assert gap(same, estimate([49.0, 49.0])).p is None


def test_welch_is_scipys():
    theirs = stats.ttest_ind(ONE, OTHER, equal_var=False)
    ours = gap(estimate(ONE), estimate(OTHER))
    assert ours.p == pytest.approx(theirs.pvalue)
    assert ours.df == pytest.approx(theirs.df)
    interval = theirs.confidence_interval(0.95)
    assert (ours.interval().low, ours.interval().high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("margin", [0.5, 2.5, 4.0, 10.0])
def test_tost_is_statsmodels(margin):
    ours = tost(gap(estimate(ONE), estimate(OTHER)), margin)
    assert ours.p == pytest.approx(ttost_ind(ONE, OTHER, -margin, margin, usevar="unequal")[0])
    inside = -margin < ours.interval.low and ours.interval.high < margin
    assert ours.equivalent == inside
    compared = CompareMeans(DescrStatsW(ONE), DescrStatsW(OTHER)).tconfint_diff(0.10, usevar="unequal")
    assert (ours.interval.low, ours.interval.high) == pytest.approx(compared)


def test_hedges_g_is_the_textbooks():
    std, df = 0.8, 6
    g = hedges(2.0, std, df, 5, 3)
    assert g.g == pytest.approx(2.0 / std * (1 - 3 / (4 * df - 1)), rel=5e-3)  # Hedges' approximation of J
    scale = np.sqrt(1 / 5 + 1 / 3)
    t = 2.0 / (std * scale)
    assert stats.nct.cdf(t, df, g.interval.low / scale) == pytest.approx(0.975, abs=1e-5)
    assert stats.nct.cdf(t, df, g.interval.high / scale) == pytest.approx(0.025, abs=1e-5)


def test_superiority_counts_pairs_and_halves_ties():
    assert superiority([2.0, 3.0], [1.0, 2.0]) == 0.875
    assert superiority(ONE, OTHER) == 1.0
    u = stats.mannwhitneyu([1.0, 4.0, 2.0], [3.0, 2.0]).statistic
    assert superiority([1.0, 4.0, 2.0], [3.0, 2.0]) == u / 6
