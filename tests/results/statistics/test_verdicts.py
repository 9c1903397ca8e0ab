"""Ours against one published value: reproduced, different, or undecided, and on what that rests."""

from dataclasses import replace

import pytest
from scipy import stats

from results.published import find
from results.statistics.contrasts import against
from results.statistics.estimates import Estimate, estimate, gap
from results.statistics.orders import directions
from results.statistics.pooling import Pool, pool
from results.statistics.verdicts import Claim, claim, judge, overall

PAPER = Claim(Estimate(57.55, 0.25, 5, 4), ())
OURS = {
    "near": [57.5, 57.7, 57.3, 57.6, 57.4],
    "far": [55.1, 55.4, 54.9, 55.2, 55.0],
    "loose": [56.6, 58.4, 57.3, 58.1, 57.0],
}


def verdicts(ours=OURS, claims=None, shared=None, **options):
    claims = claims or dict.fromkeys(ours, PAPER)
    return judge({name: estimate(values) for name, values in ours.items()}, claims, shared, **options)


def test_the_three_verdicts_of_a_cell_that_was_run():
    found = verdicts()
    assert {name: each.state for name, each in found.items()} == {
        "near": "reproduced", "far": "different", "loose": "inconclusive",
    }  # fmt: skip
    theirs = stats.ttest_ind_from_stats(*_summary(OURS["far"]), 57.55, 0.25, 5, equal_var=False)
    assert found["far"].p_different == pytest.approx(3 * theirs.pvalue)  # the smallest of three, after Holm
    assert found["far"].difference == pytest.approx(-2.43)
    assert found["near"].runs is None
    assert found["loose"].runs > 5


def _summary(values):
    ours = estimate(values)
    return ours.mean, ours.std, ours.n


def test_a_wider_margin_can_reproduce_and_says_so():
    assert verdicts(margin=3.0)["far"].state == "reproduced"
    assert verdicts(margin=0.05)["near"].state == "inconclusive"
    assert verdicts(margin=0.05)["near"].runs is None  # the paper's five runs alone leave more open than 0.05


def test_a_cell_without_runs_was_not_run():
    found = verdicts(claims={"absent": PAPER})
    assert found["absent"].state == "not run"
    assert overall(list(found.values())) == "not run"


def test_a_table_is_what_its_cells_are():
    found = verdicts()
    assert overall(list(found.values())) == "1 of 3 cells different"
    assert overall([found["near"], found["loose"]]) == "inconclusive"
    assert overall([found["near"]]) == "reproduced"
    assert overall([]) == "not run"


def test_a_single_run_borrows_its_columns_std_and_says_so():
    shared = pool(OURS)
    ours = {"once": estimate([57.5])}
    alone = judge(ours, {"once": PAPER}, None)["once"]
    assert alone.state == "inconclusive"
    assert any("nothing can be tested" in words for words in alone.assumptions)
    borrowed = judge(ours, {"once": PAPER}, shared, margin=3.0)["once"]
    assert borrowed.state == "reproduced"
    assert any("single run of ours" in words for words in borrowed.assumptions)


def test_a_verdict_that_hangs_on_how_the_paper_divides_says_so():
    near_the_edge = {"m": [57.93, 57.83, 57.73, 57.88, 57.78]}
    limit = gap(estimate(near_the_edge["m"]), PAPER.estimate).interval(0.9).high
    narrow = verdicts(near_the_edge, margin=1.02 * limit)["m"]
    assert narrow.state == "reproduced"
    assert any("over n instead of n - 1" in words for words in narrow.assumptions)
    assert verdicts(near_the_edge, margin=2.0)["m"].assumptions == ()


def test_a_published_std_needs_no_assumption():
    said = claim(find(1, "PixCon-SR", "COCO", "voc_detection", "AP"), 5, None)
    assert (said.estimate, said.assumptions) == (Estimate(57.55, 0.25, 5, 4), ())


def test_a_missing_std_is_borrowed_from_tables_1_to_3():
    said = claim(find(4, "DenseCL", "COCO", "voc_segmentation", "mIoU"), 5, None)
    assert (said.estimate.mean, said.estimate.n, said.estimate.df) == (71.6, 5, 32)
    assert said.estimate.std == pytest.approx(0.289, abs=0.001)
    runs, rounded, std = said.assumptions
    assert "up to 0.05 points" in rounded
    assert "taken as 5" in runs
    assert "borrowed from its Tables 1-3, 0.29" in std


def test_what_the_paper_never_gives_a_std_for_borrows_ours_or_stays_open():
    cell = find(7, "SlotCon †", "COCO", "ade20k", "mIoU")
    ours = Pool(0.4, 6, 3, None)
    said = claim(cell, 3, ours)
    assert (said.estimate.std, said.estimate.df) == (0.4, 6)
    assert any("officially released weights" in words for words in said.assumptions)
    assert claim(cell, 3, None).estimate.std is None
    assert claim(find(7, "UniVIP", "COCO", "ade20k", "mIoU"), 3, ours) is None
    cited = claim(find(7, "UniVIP", "COCO", "voc_detection", "AP"), 5, None)
    assert any("quoted from another paper" in words for words in cited.assumptions)


def compared(groups, claims):
    return directions("near", against("near", groups, pool(groups)), claims)


def test_numbers_of_another_scale_are_judged_by_direction_alone():
    claims = {"near": PAPER}
    for name, mean in (("far", 54.0), ("loose", 60.0)):
        claims[name] = replace(PAPER, estimate=replace(PAPER.estimate, mean=mean))
    small = {"near": [2.1, 2.2, 2.3], "far": [0.4, 0.5, 0.6], "loose": [2.2, 2.3, 2.25]}
    found = compared(small, claims)
    assert {name: each.state for name, each in found.items()} == {"far": "same direction", "loose": "inconclusive"}
    claims["far"] = claims["loose"]
    found = compared({name: small[name] for name in ("near", "far")}, claims)
    assert found["far"].state == "opposite direction"
    assert found["loose"].state == "not run"


def test_where_the_paper_cannot_tell_there_is_nothing_to_agree_with():
    close = replace(PAPER, estimate=replace(PAPER.estimate, mean=57.6))
    found = compared({"near": [2.1, 2.2, 2.3], "far": [0.4, 0.5, 0.6]}, {"near": PAPER, "far": close})
    assert found["far"].state == "paper cannot tell"
    assert directions("absent", (), {"near": PAPER}) == {}


def test_the_papers_own_differences_know_its_std_with_the_columns_df():
    claims = {name: Claim(Estimate(mean, 0.25 + 0.01 * mean, 5, 4), ()) for name, mean in (("near", 1), ("far", 2))}
    expected = stats.ttest_ind_from_stats(2, 0.27, 5, 1, 0.26, 5)  # the pooled t-test, df 8
    assert directions("near", (), claims)["far"].p_published == pytest.approx(expected.pvalue)
    lent = {name: Claim(Estimate(mean, 0.3, 5, 32), (), "paper") for name, mean in (("near", 1.0), ("far", 1.5))}
    t = 0.5 / (0.3 * (2 / 5) ** 0.5)
    assert directions("near", (), lent)["far"].p_published == pytest.approx(2 * stats.t.sf(t, 32))


def test_a_std_of_ours_that_both_sides_borrow_counts_once():
    shared = Pool(0.4, 6, 3, None)
    there = claim(find(7, "SlotCon †", "COCO", "ade20k", "mIoU"), 3, shared)
    once = judge({"m": estimate([there.estimate.mean + 1.0])}, {"m": there}, shared)["m"]
    t = 1.0 / (0.4 * (1 + 1 / 3) ** 0.5)
    assert once.p_different == pytest.approx(2 * stats.t.sf(t, 6))


def test_runs_that_would_decide_are_more_than_there_are():
    claims = dict.fromkeys([*OURS, *(f"m{index}" for index in range(20))], PAPER)
    ours = {**OURS, **{f"m{index}": [57.1, 57.3, 56.9, 57.2, 57.0] for index in range(20)}}
    found = [each for each in verdicts(ours, claims).values() if each.state == "inconclusive"]
    assert found
    assert all(each.runs is None or each.runs > 5 for each in found)
    alone = verdicts({"m0": ours["m0"]}, {"m0": PAPER})["m0"]
    assert alone.state == "different"
