"""What a recipe is said to cost is what its model does."""

import pytest
import torch

from harness import profiles
from pretrain import recipes
from pretrain.branches.base import Geometry
from pretrain.cost import SIDE, passes
from pretrain.model.student_teacher import FeatureMap, StudentTeacher

BATCH = 8
TRAINED = [name for name in recipes.names() if not recipes.resolve(name, {}).initial]


def test_a_symmetric_pair_costs_eight_forwards_and_one_direction_half():
    pair, one = (passes(recipes.resolve(name, {})) for name in ("pixcon-sr", "densecl"))
    assert (pair.student, pair.teacher, pair.forwards) == (2, 2, 8)
    assert (one.student, one.teacher, one.forwards) == (1, 1, 4)
    assert passes(recipes.resolve("random-init", {})).forwards == 0


def whole(views, side):
    """A geometry in which every view is its whole image."""
    grid = -(-side // 32)
    masks = torch.ones(BATCH, grid, grid, dtype=torch.bool)
    overlap = torch.tensor([[0.0, 0, 1, 1]]).expand(BATCH, 4)
    flips = torch.zeros(BATCH, dtype=torch.bool)
    size = torch.full((BATCH, 2), float(side))
    return Geometry((masks,) * 2, (overlap,) * 2, (overlap * side,) * views, (flips,) * views, (size,) * views)


@pytest.mark.parametrize("name", TRAINED)
def test_passes_are_those_of_the_model(name):
    config = profiles.load("smoke").recipe(name)
    torch.manual_seed(0)
    model = StudentTeacher(config.model)
    seen = {True: 0.0, False: 0.0}

    def count(module, given, maps):
        (images,) = given
        seen[module is model.student] += len(images) / BATCH * (images.shape[2] / SIDE) ** 2

    for module in model.modules():
        if isinstance(module, FeatureMap):
            module.register_forward_hook(count)
    sizes = [config.views.size] * 2 + (config.views.extra.sizes if config.views.extra else [])
    images = tuple(torch.randn(BATCH, 3, size, size) for size in sizes)
    losses, _ = model(images, whole(len(sizes), config.views.size))
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    said = passes(config)
    assert (said.student, said.teacher) == pytest.approx((seen[True], seen[False]))
