"""Crops, intersections and masks (methods.md 1.2, 1.3, appendix C 1)."""

import json
from pathlib import Path

import numpy as np
import pytest

from ground.seeding import generator
from pretrain import recipes
from pretrain.views.geometry import Crop, central_crop, draw_pair, in_box_mask, intersection, signed_box

VIEWS = recipes.resolve("pixcon-sr", {}).views
SAMPLER = json.loads((Path(__file__).parent / "fixtures" / "parity_sampler.json").read_text())
COCO_SIZES = [(640, 480), (640, 427), (480, 640), (500, 375), (427, 640), (612, 612), (640, 360)]


def box(*edges):
    return np.array(edges, dtype=np.float32)


def test_same_crop_sees_itself_whole():
    crop = Crop(10, 20, 50, 40)
    assert in_box_mask(intersection(crop, crop), 7).sum() == 49


def test_half_overlap_has_28_cells_and_its_mirror_21():
    assert in_box_mask(box(0.5, 0, 1, 1), 7).sum() == 28
    assert in_box_mask(box(0, 0, 0.5, 1), 7).sum() == 21


def test_crops_that_only_touch_share_no_cell():
    left, right = Crop(0, 0, 10, 10), Crop(10, 0, 10, 10)
    assert left.overlap(right) == 0
    assert not in_box_mask(intersection(left, right), 7).any()


def test_mirrored_box_runs_right_to_left():
    assert signed_box(Crop(5, 6, 20, 10, flip=True)).tolist() == [25, 6, 5, 16]


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 100), (100, 100)), ((300, 100), (133, 100)), ((30, 90), (30, 40))]
)
def test_central_crop_keeps_the_aspect_in_range(size, expected):
    crop = central_crop(*size, (3 / 4, 4 / 3))
    assert (crop.w, crop.h) == expected
    assert (crop.x, crop.y) == ((size[0] - crop.w) // 2, (size[1] - crop.h) // 2)


def test_pairs_lie_inside_and_overlap_enough():
    for index in range(500):
        width, height = COCO_SIZES[index % len(COCO_SIZES)]
        first, second = draw_pair(generator("t", index), width, height, VIEWS)
        for crop in (first, second):
            assert crop.x >= 0
            assert crop.y >= 0
            assert crop.x + crop.w <= width
            assert crop.y + crop.h <= height
        assert second.overlap(first) >= 0.009 * second.w * second.h


def test_an_image_too_long_for_any_crop_gives_two_whole_central_views():
    views = VIEWS.model_copy(update={"scale": (0.9, 1.0)})
    first, second = draw_pair(generator("long"), 1000, 20, views)
    assert (first.x, first.y, first.w, first.h) == (second.x, second.y, second.w, second.h)
    assert in_box_mask(intersection(first, second), 7).all()


def test_in_box_statistics_are_those_of_the_official_sampler():
    """57.7 % of cells in-box, 1.5 % of masks empty, 16.2 % full, 0.06 % of pairs by the fallback.

    Official: 400,000 pairs. Ours: 20,000, whose standard errors are 0.14, 0.07, 0.17 and 0.017 percentage points; four
    of them are allowed. On another mix of COCO-like sizes the official sampler gives 57.8, 1.4, 16.3 and 0.015 %
    (methods.md 1.3): the fallback is a matter of wide images.
    """
    pairs = 20_000
    counts, same = np.empty((pairs, 2)), 0
    for index in range(pairs):
        first, second = draw_pair(generator("d", index), *SAMPLER["sizes"][index % len(SAMPLER["sizes"])], VIEWS)
        counts[index] = [in_box_mask(intersection(a, b), 7).sum() for a, b in ((first, second), (second, first))]
        same += (first.x, first.y, first.w, first.h) == (second.x, second.y, second.w, second.h)
    for name, share in (("in_box", counts / 49), ("empty", counts == 0), ("full", counts == 49)):
        mean, deviation = SAMPLER[name]
        error = deviation * (1 / pairs + 1 / SAMPLER["pairs"]) ** 0.5
        assert share.mean() == pytest.approx(mean, abs=4 * error), name
    expected = SAMPLER["fallbacks"] / SAMPLER["pairs"] * pairs
    assert same == pytest.approx(expected, abs=4 * expected**0.5)
