"""Polygons to grids within a box, grids back into pictures."""

import numpy as np
import pytest
import torch
from pycocotools import mask as official

from transfer.detection.masks import cropped, pasted

SQUARE = [np.array([10.0, 20.0, 30.0, 20.0, 30.0, 40.0, 10.0, 40.0])]


def area(masks):
    return masks.float().mean(dim=(1, 2)).tolist()


def test_a_mask_is_what_lies_in_the_box_stretched_to_the_grid():
    boxes = torch.tensor([[10.0, 20, 30, 40], [10, 20, 50, 40], [0, 20, 40, 60], [50, 50, 60, 60]])
    masks = cropped([SQUARE] * 4, boxes, 28)
    assert masks.shape == (4, 28, 28)
    assert masks.dtype == torch.bool
    assert area(masks) == pytest.approx([1, 0.5, 0.25, 0], abs=0.02)
    assert masks[1, :, :14].all()
    assert not masks[1, :, 15:].any()
    assert masks[2, :14, 7:21].all()


def test_several_rings_are_one_mask():
    rings = [*SQUARE, np.array([30.0, 20.0, 50.0, 20.0, 50.0, 30.0, 30.0, 30.0])]
    masks = cropped([rings], torch.tensor([[10.0, 20, 50, 40]]), 28)
    assert area(masks) == pytest.approx([0.75], abs=0.03)


def test_no_object_is_no_mask():
    assert cropped([], torch.zeros(0, 4), 14).shape == (0, 14, 14)
    assert pasted(torch.zeros(0, 28, 28), torch.zeros(0, 4), 5, 5) == []


def test_a_box_without_width_is_no_division_by_zero():
    assert cropped([SQUARE], torch.tensor([[15.0, 20, 15, 40]]), 14).shape == (1, 14, 14)


def test_scaling_polygons_and_box_together_changes_nothing():
    triangle = np.array([3.0, 5.0, 40.0, 9.5, 22.5, 37.5])
    box = torch.tensor([[3.0, 5.0, 40.0, 37.5]])
    assert torch.equal(cropped([[triangle]], box, 28), cropped([[triangle * 2]], box * 2, 28))


@pytest.mark.parametrize("box", [[4.0, 3.0, 12.0, 9.0], [0.0, 0.0, 20.0, 15.0], [15.5, 10.25, 20.0, 15.0]])
def test_a_full_mask_fills_its_box(box):
    """Pixels whose centre is well inside the box; the border fades over half a cell of the grid."""
    [runs] = pasted(torch.ones(1, 28, 28), torch.tensor([box]), 15, 20)
    assert runs["size"] == [15, 20]
    assert isinstance(runs["counts"], str)
    mask = official.decode(runs).astype(bool)
    left, top, right, bottom = box
    y, x = np.mgrid[:15, :20] + 0.5
    inside = (x > left + 0.4) & (x < right - 0.4) & (y > top + 0.4) & (y < bottom - 0.4)
    outside = (x < left - 0.4) | (x > right + 0.4) | (y < top - 0.4) | (y > bottom + 0.4)
    assert mask[inside].all()
    assert not mask[outside].any()


def test_what_is_cut_out_is_pasted_back():
    triangle = [np.array([20.0, 10.0, 80.0, 30.0, 35.0, 90.0])]
    box = torch.tensor([[20.0, 10.0, 80.0, 90.0]])
    [runs] = pasted(cropped([triangle], box, 112).float(), box, 100, 120)
    direct = official.merge(official.frPyObjects(triangle, 100, 120))
    assert official.iou([runs], [direct], [0])[0, 0] > 0.97
