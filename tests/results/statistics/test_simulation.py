"""Error rates and coverage on normal data whose truth is known. Seeded; bands are three standard errors of the
simulation: a rate of 0.05 may show as 0.03 to 0.07 in 1,000 tables."""

from math import sqrt

import numpy as np
import pytest

from results.statistics.best import group_of_best
from results.statistics.contrasts import corrected
from results.statistics.equivalence import tost
from results.statistics.estimates import Estimate, estimate, gap, mean_interval
from results.statistics.nested import decompose
from results.statistics.pooling import pool
from results.statistics.ranks import agreement
from results.statistics.verdicts import Claim, judge

TABLES = 1000


def tables(seed, methods, n, std=1.0, shift=0.0, count=TABLES):
    """Tables of equal methods, but for the last one, which is ``shift`` better; ``std`` may differ by method."""
    draw = np.random.default_rng(seed)
    stds = np.broadcast_to(np.asarray(std, dtype=float), methods)
    for _ in range(count):
        values = draw.standard_normal((methods, n)) * stds[:, None]
        values[-1] += shift
        yield {f"m{index}": row.tolist() for index, row in enumerate(values)}


def band(rate, count=TABLES):
    return 3 * sqrt(rate * (1 - rate) / count)


def mistaken(groups):
    """Whether any contrast with the first method is called a difference."""
    ps = corrected("m0", groups, pool(groups)).adjusted.values()
    return any(p is not None and p < 0.05 for p in ps)


@pytest.mark.parametrize("n", [3, 5])
def test_a_column_of_equal_methods_shows_a_difference_in_five_percent_of_tables(n):
    rate = np.mean([mistaken(groups) for groups in tables(n, 6, n)])
    assert 0.035 - band(0.05) < rate < 0.05 + band(0.05)  # Holm over correlated contrasts is a little conservative


def test_a_std_that_is_four_times_the_others_and_passes_for_equal_misleads_but_not_the_check():
    stds = [1.0, 1.0, 1.0, 1.0, 1.0, 4.0]
    misled = confirmed = 0
    for groups in tables(7, 6, 5, stds, count=500):
        tests = corrected("m0", groups, pool(groups))
        wrong = [name for name, p in tests.adjusted.items() if p < 0.05]
        misled += bool(wrong)
        confirmed += any(tests.welch[name] < 0.05 for name in wrong)
    assert 0.05 < misled / 500 < 0.15  # with five runs Brown-Forsythe does not always notice
    assert confirmed / 500 < 0.05 + band(0.05, 500)


def test_a_column_of_equal_methods_leaves_one_out_of_the_best_in_five_percent_of_tables():
    count, out = 600, 0
    for groups in tables(11, 8, 3, count=count):
        best = group_of_best({name: estimate(values) for name, values in groups.items()}, pool(groups))
        out += len(best) < 8
    assert 0.035 - band(0.05, count) < out / count < 0.05 + band(0.05, count)


def test_t_intervals_cover_the_truth_in_95_percent_at_three_runs():
    covered = between = 0
    for groups in tables(13, 2, 3):
        one, other = (estimate(values) for values in groups.values())
        interval = mean_interval(one)
        covered += interval.low < 0 < interval.high
        interval = gap(one, other).interval()
        between += interval.low < 0 < interval.high
    assert covered / TABLES == pytest.approx(0.95, abs=band(0.05))
    assert 0.95 - band(0.05) < between / TABLES < 0.975 + band(0.05)  # Welch at three runs: 3.5 % instead of 5 %


def test_tost_calls_methods_that_differ_by_the_margin_equivalent_in_five_percent_at_most():
    wrong = right = 0
    for groups in tables(17, 2, 5, shift=3.0):
        one, other = (estimate(values) for values in groups.values())
        wrong += tost(gap(other, one), 3.0).equivalent
        right += tost(gap(other, one), 6.0).equivalent
    assert 0.035 - band(0.05) < wrong / TABLES < 0.05 + band(0.05)
    assert right / TABLES > 0.9


def test_a_faithful_column_is_called_different_in_five_percent_of_tables():
    count, wrong = 200, 0
    draw = np.random.default_rng(19)
    for groups in tables(23, 4, 5, count=count):
        claims = {}
        for name in groups:
            paper = draw.standard_normal(5)
            claims[name] = Claim(Estimate(float(paper.mean()), float(paper.std(ddof=1)), 5, 4), ())
        ours = {name: estimate(values) for name, values in groups.items()}
        wrong += any(each.state == "different" for each in judge(ours, claims, None, margin=0.01).values())
    assert wrong / count < 0.05 + band(0.05, count)


def test_components_of_variance_are_found_and_their_intervals_cover_them():
    truth = {"pre-training": 0.6, "fine-tuning seed": 0.3, "residual": 0.2}
    draw = np.random.default_rng(29)
    count, found, covered = 300, [], np.zeros(3)
    for _ in range(count):
        column = {}
        for method in range(6):
            values = 50 + 0.6 * draw.standard_normal((3, 1)) + 0.3 * draw.standard_normal((1, 5))
            values = values + 0.2 * draw.standard_normal((3, 5))
            column[f"m{method}"] = {(seed, run): values[seed, run] for seed in range(3) for run in range(5)}
        parts = decompose(column).components
        found.append([part.std**2 for part in parts])
        covered += [part.interval.low <= truth[part.source] <= part.interval.high for part in parts]
    assert np.sqrt(np.mean(found, axis=0)) == pytest.approx(list(truth.values()), rel=0.05)
    assert np.abs(covered / count - 0.95).max() < band(0.05, count)


@pytest.mark.parametrize(("spacing", "firm"), [(0.1, False), (0.2, False), (1.0, True), (3.0, True)])
def test_means_drawn_again_show_how_firm_an_order_is_and_only_blur_it(spacing, firm):
    draw = np.random.default_rng(31)
    lows, middles = [], []
    for _ in range(20):
        sides = []
        for _ in range(2):
            runs = np.arange(8)[:, None] * spacing + 0.3 * draw.standard_normal((8, 5))
            sides.append({str(index): estimate(row.tolist()) for index, row in enumerate(runs)})
        found = agreement(*sides)
        lows.append(found.redrawn.low)
        middles.append((found.redrawn.low + found.redrawn.high) / 2 - found.tau)
    assert (np.mean(lows) > 0.8) == firm
    assert np.mean(middles) < 1e-9  # the true tau is 1 at every spacing: this is no interval of it


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_the_interval_of_tau_covers_the_tau_of_the_methods_sampled_from(correlation):
    draw, count, covered = np.random.default_rng(37), 400, 0
    truth = 2 / np.pi * np.arcsin(correlation)
    for _ in range(count):
        one, other = draw.standard_normal((2, 8))
        other = correlation * one + np.sqrt(1 - correlation**2) * other
        sides = [{str(at): estimate([mean]) for at, mean in enumerate(side.tolist())} for side in (one, other)]
        found = agreement(*sides)
        covered += found.interval is None or found.interval.low <= truth <= found.interval.high  # None: tau is 1
    assert abs(covered / count - 0.95) < band(0.05, count)
