"""Our losses, gradients, queues and masks against numbers of the official PixCon code.

``fixtures/pixcon_losses.json``: the released class run on features, head parameters and queues drawn as ``_draw``
does here. ``fixtures/pixcon_masks.json``: the released loader's clipped coordinates and masks.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pretrain.branches.base import Geometry
from pretrain.branches.image import ImageContrastBranch
from pretrain.branches.pixel import PixelContrastBranch
from pretrain.config import Head, ImageContrast, PixelContrast, Reweight
from pretrain.views.geometry import Crop, in_box_mask, intersection, signed_box

FIXTURES = Path(__file__).parent / "fixtures"
LOSSES = json.loads((FIXTURES / "pixcon_losses.json").read_text())["cases"]
MASKS = json.loads((FIXTURES / "pixcon_masks.json").read_text())["cases"]
CHANNELS, HIDDEN, OUT, QUEUE, BATCH, GRID = 12, 10, 8, 66, 6, 7


def _draw(seed, shapes):
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=rng) for shape in shapes]


def _features():
    maps = _draw(3, [(BATCH, CHANNELS, GRID, GRID)] * 4)
    maps[2], maps[3] = maps[2] * 0.5 + maps[1] * 0.5, maps[3] * 0.5 + maps[0] * 0.5
    return [m.requires_grad_() for m in maps[:2]], maps[2:]


def _geometry():
    boxes = [(0, 0, 7, 7), (0, 0, 0, 0), (3, 0, 7, 7), (2, 3, 3, 4), (1, 1, 6, 5), (0, 4, 7, 7)]
    masks = torch.zeros(2, BATCH, GRID, GRID, dtype=torch.bool)
    for view, listed in enumerate((boxes, boxes[::-1])):
        for image, (x1, y1, x2, y2) in enumerate(listed):
            masks[view, image, y1:y2, x1:x2] = True
    nowhere, unmirrored = torch.zeros(BATCH, 4), torch.zeros(BATCH, dtype=torch.bool)
    return Geometry((masks[0], masks[1]), (nowhere, nowhere), (nowhere, nowhere), (unmirrored, unmirrored))


def _branches(reweight):
    """Both branches with the parameters of the fixture, which lists encoder_q, encoder_k, then the predictors."""
    head = Head(hidden=HIDDEN, out=OUT)
    common = {"weight": 0.5, "projector": head, "predictor": head, "queue": QUEUE, "query_block": 100}
    image = ImageContrastBranch(CHANNELS, ImageContrast(kind="image_contrast", **common))
    pixel = PixelContrastBranch(CHANNELS, PixelContrast(kind="pixel_contrast", reweight=reweight, **common))
    order = [image.projector, pixel.projector, image.target, pixel.target, image.predictor, pixel.predictor]
    parameters = [p for module in order for p in module.parameters()]
    dense = {id(p) for module in (pixel.projector, pixel.target) for p in module.parameters() if p.dim() == 2}
    shapes = [(*p.shape, 1, 1) if id(p) in dense else p.shape for p in parameters]
    with torch.no_grad():
        for parameter, value in zip(parameters, _draw(1, shapes), strict=True):
            parameter.copy_(value.view(parameter.shape) * 0.3)
        for branch, keys in zip((image, pixel), _draw(2, [(QUEUE, OUT)] * 2), strict=True):
            branch.fresh.queue.keys.copy_(F.normalize(keys, dim=1))
            branch.fresh.queue.pointer.fill_(QUEUE - 12)
    return image, pixel


@pytest.mark.parametrize(("recipe", "reweight"), [("pixcon-sim", None), ("pixcon-sr", Reweight())])
def test_losses_gradients_and_queues_equal_the_official_ones(recipe, reweight):
    expected = LOSSES[recipe]
    image, pixel = _branches(reweight)
    students, teachers = _features()
    geometry = _geometry()
    dense = [0.5 * pixel.direction(students[a], teachers[1 - a], geometry, (a, 1 - a)) for a in (0, 1)]
    pooled = [0.5 * image.direction(students[a], teachers[1 - a], geometry, (a, 1 - a)) for a in (0, 1)]
    sum([*dense, *pooled]).backward()
    assert [loss.item() for loss in dense] == pytest.approx(expected["dense"], rel=1e-5)
    assert [loss.item() for loss in pooled] == pytest.approx(expected["image"], rel=1e-5)
    for view, name in enumerate(("gradient_view1", "gradient_view2")):
        gradient = students[view].grad
        assert float(gradient.norm()) == pytest.approx(expected[name]["norm"], rel=1e-5)
        assert gradient.flatten()[::311].tolist() == pytest.approx(expected[name]["samples"], rel=1e-4, abs=1e-8)
    norms = [float(p.grad.norm()) for p in pixel.predictor.parameters()]
    assert norms == pytest.approx(expected["gradient_predictor_dense"], rel=1e-4, abs=1e-5)
    norms = [float(p.grad.norm()) for b in (image, pixel) for p in b.projector.parameters()]
    assert norms == pytest.approx(expected["gradient_neck"], rel=1e-4, abs=1e-5)
    for branch, name in ((image, "queue_after"), (pixel, "queue2_after")):
        branch.end_step(1)
        written = branch.fresh.queue.keys[QUEUE - 12 : QUEUE - 6].flatten().tolist()
        assert written == pytest.approx(expected[name], rel=1e-5, abs=1e-7)
        assert int(branch.fresh.queue.pointer) == expected["pointer_after"]


@pytest.mark.parametrize("number", range(len(MASKS)))
def test_masks_and_coordinates_equal_the_official_ones(number):
    case = MASKS[number]
    first, second = (Crop(*crop, flip=flip) for crop, flip in zip(case["crops"], case["flips"], strict=True))
    for crop, other, view in ((first, second, case["views"][0]), (second, first, case["views"][1])):
        mask = in_box_mask(intersection(crop, other), GRID)
        assert "".join(str(int(cell)) for cell in mask.flatten()) == view["mask"]
        assert np.array_equal(signed_box(crop), np.array(view["signed"], dtype=np.float32))
