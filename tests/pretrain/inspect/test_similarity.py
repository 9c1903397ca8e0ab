"""Similarity maps and matches against numbers worked out by hand."""

import pytest
import torch

from pretrain.inspect.similarity import Pair, cell_of, matches, smooth, stretched, to_cell

RIGHT, UP, LEFT = (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)


def grid(*rows):
    """Rows of two-dimensional vectors as a feature map (2, H, W)."""
    return torch.tensor(rows).permute(2, 0, 1)


def test_a_pixel_is_of_the_cell_that_holds_it():
    assert cell_of((0, 0), (200, 100), (4, 8)) == (0, 0)
    assert cell_of((24.9, 25), (200, 100), (4, 8)) == (1, 0)
    assert cell_of((199.9, 99.9), (200, 100), (4, 8)) == (3, 7)
    assert cell_of((200, 100), (200, 100), (4, 8)) == (3, 7)


def test_a_map_is_the_cosine_with_one_cell():
    features = grid([RIGHT, (3.0, 4.0)], [UP, (-2.0, 0.0)])
    assert to_cell(features, (0, 0)).tolist() == [[1.0, pytest.approx(0.6)], [0.0, -1.0]]
    assert to_cell(features, (0, 1)).tolist()[1] == [pytest.approx(0.8), pytest.approx(-0.6)]


def test_upsampling_is_linear_between_the_centres_of_cells():
    # Two cells of two pixels: centres at 1 and 3, so pixels at 0.5, 1.5, 2.5, 3.5 lie at 0, 1/4, 3/4, 1 of the way.
    assert smooth(torch.tensor([[0.0, 1.0], [0.0, 1.0]]), 4)[0].tolist() == [0.0, 0.25, 0.75, 1.0]


def test_a_stretched_map_goes_from_0_to_1_and_an_even_one_is_zero():
    assert stretched(torch.tensor([[-1.0, 0.0], [1.0, 3.0]])).tolist() == [[0.0, 0.25], [0.5, 1.0]]
    assert stretched(torch.full((2, 2), 0.7)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_matches_are_best_anywhere_and_the_weakest_are_sought_in_the_box_alone():
    query = grid([RIGHT, (3.0, 4.0)], [LEFT, (4.0, 3.0)])
    key = grid([UP, RIGHT], [UP, RIGHT])
    in_box = torch.tensor([[True, True], [False, True]])
    found = matches(query, key, in_box, 2)
    assert found.similarities.tolist() == [[1.0, pytest.approx(0.8)], [0.0, pytest.approx(0.8)]]
    # The weakest of all, 0 of LEFT, is outside. Of the two at 0.8 the first in reading order comes first.
    assert found.weakest == (
        Pair((0, 1), (0, 0), pytest.approx(0.8)),
        Pair((1, 1), (0, 1), pytest.approx(0.8)),
    )


def test_a_box_of_few_cells_gives_few_pairs():
    query = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
    in_box = torch.zeros(4, 4, dtype=torch.bool)
    assert matches(query, query, in_box, 5).weakest == ()
    in_box[2, 3] = True
    (pair,) = matches(query, query, in_box, 5).weakest
    assert (pair.query, pair.key) == ((2, 3), (2, 3))
    assert pair.similarity == pytest.approx(1)
