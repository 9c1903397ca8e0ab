"""In-box masks and coordinates against the released PixCon loader.

``fixtures/pixcon_masks.json``: crops as they are drawn. ``fixtures/parity_masks.json``: crops given to it on purpose.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from pretrain.views.geometry import Crop, in_box_mask, intersection, signed_box

FIXTURES = Path(__file__).parent / "fixtures"
DRAWN = json.loads((FIXTURES / "pixcon_masks.json").read_text())["cases"]
CORNERS = json.loads((FIXTURES / "parity_masks.json").read_text())["cases"]
APART = [case for case in CORNERS if case["name"].startswith("apart")]
FALLBACK = [case for case in CORNERS if "discarded" in case]
MEETING = [case for case in CORNERS if case not in APART and case not in FALLBACK]
GRID = 7


def views(case):
    """(the crop, the other view's, what the loader made of it) of each view."""
    first, second = (Crop(*crop, flip=flip) for crop, flip in zip(case["crops"], case["flips"], strict=True))
    return [(first, second, case["views"][0]), (second, first, case["views"][1])]


def mask(crop, other):
    return "".join(str(int(cell)) for cell in in_box_mask(intersection(crop, other), GRID).flatten())


def title(case):
    return f"{case['name']}, flips {case['flips'][0]:d}{case['flips'][1]:d}"


@pytest.mark.parametrize("number", range(len(DRAWN)))
def test_masks_and_coordinates_of_drawn_crops_equal_the_official_ones(number):
    for crop, other, official in views(DRAWN[number]):
        assert mask(crop, other) == official["mask"]
        assert np.array_equal(signed_box(crop), np.array(official["signed"], dtype=np.float32))


@pytest.mark.parametrize("case", MEETING, ids=map(title, MEETING))
def test_masks_of_corner_cases_equal_the_official_ones(case):
    for crop, other, official in views(case):
        assert mask(crop, other) == official["mask"]
        assert np.array_equal(signed_box(crop), np.array(official["signed"], dtype=np.float32))
        if crop.overlap(other):
            assert np.array_equal(intersection(crop, other), np.array(official["clipped"], dtype=np.float32))


@pytest.mark.parametrize("case", FALLBACK, ids=map(title, FALLBACK))
def test_after_the_fallback_both_views_see_each_other_whole(case):
    """The release divides view 1's box by the size of the crop it discarded: mirrored, one case has 28 cells."""
    for crop, other, official in views(case):
        assert mask(crop, other) == "1" * GRID**2
        assert np.array_equal(signed_box(crop), np.array(official["signed"], dtype=np.float32))
    wrong = case["name"].startswith("fallback, five eighths") and case["flips"][0]
    assert [view["mask"].count("1") for view in case["views"]] == [28 if wrong else 49, 49]


@pytest.mark.parametrize("case", APART, ids=map(title, APART))
def test_crops_that_do_not_meet_have_empty_masks(case):
    """The release would mark up to 42 cells: an edge below zero counts from the end. It never draws such crops."""
    assert [mask(crop, other) for crop, other, _ in views(case)] == ["0" * GRID**2] * 2


def test_the_release_marks_cells_of_crops_that_do_not_meet():
    marked = {(case["name"], view["mask"].count("1")) for case in APART for view in case["views"]}
    assert {("apart, a gap of a seventh", 42), ("apart in both axes, a gap of a seventh", 36)} <= marked
