"""Polygons and run lengths decode, by pycocotools, to exactly the mask they were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as official

from transfer.scenes.polygons import box, polygons, run_lengths

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.booleans())


def decoded(rings, shape):
    return official.decode(official.merge(official.frPyObjects(rings, *shape))).astype(bool)


@settings(max_examples=300, deadline=None)
@given(masks.filter(lambda mask: mask.any()))
def test_every_mask_survives(mask):
    assert np.array_equal(decoded(polygons(mask), mask.shape), mask)
    runs = official.frPyObjects({"counts": run_lengths(mask), "size": list(mask.shape)}, *mask.shape)
    assert np.array_equal(official.decode(runs).astype(bool), mask)
    x, y, width, height = box(mask)
    assert mask[y : y + height, x : x + width].sum() == mask.sum()
    assert official.toBbox(runs).tolist() == [x, y, width, height]


@pytest.mark.parametrize("value", [True, False])
def test_run_lengths_start_with_zeros_and_end_without_an_empty_run(value):
    assert run_lengths(np.full((2, 3), value)) == ([0, 6] if value else [6])


def test_a_rectangle_is_four_corners():
    mask = np.zeros((5, 6), bool)
    mask[1:4, 2:5] = True
    [ring] = polygons(mask)
    corners = set(zip(ring[::2], ring[1::2], strict=True))
    assert corners == {(2, 1), (5, 1), (5, 4), (2, 4)}
    assert len(ring) == 8


def test_a_ring_is_cut_into_parts_without_holes():
    mask = np.ones((7, 7), bool)
    mask[2:5, 2:5] = False
    rings = polygons(mask)
    assert len(rings) == 2
    assert np.array_equal(decoded(rings, mask.shape), mask)
