"""Mask R-CNN on a pyramid: what is trained, where anchors lie, which map a region is cut from."""

import copy

import numpy as np
import pytest
import torch

from ground.backbones import build
from transfer.detection.pyramid import PyramidAnchors, PyramidNetwork, PyramidPool, map_of


@pytest.fixture
def network(tiny_coco):
    torch.manual_seed(0)
    return PyramidNetwork(tiny_coco, build("resnet10_w32"), 3)


def draw(*counts):
    """Images of 48x64 with so many objects each."""
    torch.manual_seed(1)
    images = [torch.randint(0, 255, (3, 48, 64), dtype=torch.uint8) for _ in counts]
    boxes = torch.tensor([[4.0, 4, 30, 30], [20.0, 10, 60, 44]])
    outlines = [[np.array([4.0, 4, 30, 4, 17, 30])], [np.array([20.0, 10, 60, 10, 60, 44, 20, 44])]]
    labels = torch.tensor([1, 3])
    return images, [{"boxes": boxes[:n], "labels": labels[:n], "polygons": outlines[:n]} for n in counts]


def test_all_of_it_is_trained(network):
    torch.stack(list(network.train().losses(*draw(1, 2)).values())).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


@pytest.mark.parametrize("counts", [(0, 0), (0, 2)])
def test_images_without_objects_have_losses(network, counts):
    losses = network.train().losses(*draw(*counts))
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert (losses["loss_mask"] == 0) == (sum(counts) == 0)
    torch.stack(list(losses.values())).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_an_image_in_which_nothing_is_found(network):
    network.regions.score_thresh = 1.1
    [found] = network.eval().detect(draw(0)[0])
    assert {name: tuple(part.shape) for name, part in found.items()} == {
        "boxes": (0, 4), "scores": (0,), "labels": (0,), "masks": (0, 8, 8),
    }  # fmt: skip


def test_maps_are_padded_to_the_stride_of_the_coarsest_stage(network):
    batch = network.inputs([torch.zeros(3, 40, 60, dtype=torch.uint8), torch.zeros(3, 33, 70, dtype=torch.uint8)])
    assert batch.tensors.shape == (2, 3, 64, 96)
    sides = [tuple(each.shape[2:]) for each in network.pyramid(batch.tensors)]
    assert sides == [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]


def test_anchors_are_not_rounded_and_lie_at_the_strides(tiny_coco):
    """A map of 3 cells over 160 pixels has stride 64, not 53."""
    anchors = PyramidAnchors(tiny_coco.model.proposals)
    maps = [torch.zeros(1, 1, side, side) for side in (40, 20, 10, 5, 3)]
    images = type("Images", (), {"image_sizes": [(160, 160)]})
    [found] = anchors(images, maps)
    last = found[-27:].reshape(3, 3, 3, 4)  # rows, columns, ratios
    assert last[1, 2, 1].tolist() == [128 - 24, 64 - 24, 128 + 24, 64 + 24]
    flat = last[0, 0, 0]  # half as high as wide, of the same area
    assert flat.tolist() == pytest.approx([-24 * 2**0.5, -24 / 2**0.5, 24 * 2**0.5, 24 / 2**0.5])


def test_a_box_is_cut_from_the_map_that_suits_its_size():
    sides = torch.tensor([1.0, 111, 113, 223, 225, 447, 449, 5000])
    boxes = torch.stack([sides * 0, sides * 0, sides, sides], dim=1)
    assert map_of(boxes).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_regions_keep_their_order_over_images_and_maps():
    """Every map holds its own number, so that a region says which it was cut from."""
    maps = [torch.full((2, 1, 512 // stride, 512 // stride), float(stride)) for stride in (4, 8, 16, 32, 64)]
    maps = [each + 100 * torch.arange(2.0).view(2, 1, 1, 1) for each in maps]
    small, large = [10.0, 10, 50, 50], [10.0, 10, 500, 500]
    pooled = PyramidPool(3)(maps, [torch.tensor([large, small]), torch.tensor([small, large])])
    assert pooled.mean(dim=(1, 2, 3)).tolist() == pytest.approx([32, 4, 104, 132], rel=1e-3)


def test_channels_last_changes_no_number(tiny_coco, network):
    other = PyramidNetwork(tiny_coco.model_copy(update={"channels_last": True}), build("resnet10_w32"), 3)
    other.load_state_dict(copy.deepcopy(network.state_dict()))
    images, targets = draw(1, 2)
    losses = []
    for each in (network, other):
        torch.manual_seed(5)
        losses.append([loss.item() for loss in each.train().losses(images, targets).values()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
