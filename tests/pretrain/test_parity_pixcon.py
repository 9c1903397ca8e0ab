"""PixCon-Sim and -SR against numbers of the official PixCon code: losses, gradients, queues, weights, momentum.

``fixtures/pixcon_losses.json``: the released class run on features, head parameters and queues drawn as ``draw``
does here. ``fixtures/parity_pixcon.json``: three steps of it. ``fixtures/parity_weights.json``: its semantic weights
on features as ``_kind`` makes them.
"""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from official import draw, geometry

from ground.config import merge
from pretrain import recipes
from pretrain.branch_config import Head, ImageContrast, PixelContrast, Reweight
from pretrain.branches.image import ImageContrastBranch
from pretrain.branches.matching import by_similarity
from pretrain.branches.pixel import PixelContrastBranch, cells
from pretrain.branches.reweighting import semantic_weights
from pretrain.config import Momentum
from pretrain.training.schedule import teacher_momentum

FIXTURES = Path(__file__).parent / "fixtures"
LOSSES = json.loads((FIXTURES / "pixcon_losses.json").read_text())["cases"]
WEIGHTS = json.loads((FIXTURES / "parity_weights.json").read_text())["cases"]
HOOK = json.loads((FIXTURES / "parity_momentum.json").read_text())["momentum"]
CHANNELS, HIDDEN, OUT, QUEUE, BATCH, GRID = 12, 10, 8, 66, 6, 7


def _features():
    maps = draw(3, *[(BATCH, CHANNELS, GRID, GRID)] * 4)
    maps[2], maps[3] = maps[2] * 0.5 + maps[1] * 0.5, maps[3] * 0.5 + maps[0] * 0.5
    return [m.requires_grad_() for m in maps[:2]], maps[2:]


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
        for parameter, value in zip(parameters, draw(1, *shapes), strict=True):
            parameter.copy_(value.view(parameter.shape) * 0.3)
        for branch, keys in zip((image, pixel), draw(2, *[(QUEUE, OUT)] * 2), strict=True):
            branch.fresh.queue.keys.copy_(F.normalize(keys, dim=1))
            branch.fresh.queue.pointer.fill_(QUEUE - 12)
    return image, pixel


@pytest.mark.parametrize(("recipe", "reweight"), [("pixcon-sim", None), ("pixcon-sr", Reweight())])
def test_losses_gradients_and_queues_equal_the_official_ones(recipe, reweight, official):
    expected = LOSSES[recipe]
    image, pixel = _branches(reweight)
    students, teachers = _features()
    inside = geometry(BATCH)
    dense = [0.5 * pixel.direction(students[a], teachers[1 - a], inside, (a, 1 - a)) for a in (0, 1)]
    pooled = [0.5 * image.direction(students[a], teachers[1 - a], inside, (a, 1 - a)) for a in (0, 1)]
    sum([*dense, *pooled]).backward()
    assert [loss.item() for loss in dense] == pytest.approx(expected["dense"], rel=1e-5)
    assert [loss.item() for loss in pooled] == pytest.approx(expected["image"], rel=1e-5)
    for view, name in enumerate(("gradient_view1", "gradient_view2")):
        assert official.apart_in_samples(students[view].grad, expected[name], every=311) <= 1e-5
    norms = [float(p.grad.norm()) for p in pixel.predictor.parameters()]
    assert official.apart(norms, expected["gradient_predictor_dense"]) <= 1e-5
    norms = [float(p.grad.norm()) for b in (image, pixel) for p in b.projector.parameters()]
    assert official.apart(norms, expected["gradient_neck"]) <= 1e-5
    for branch, name in ((image, "queue_after"), (pixel, "queue2_after")):
        branch.end_step(1)
        enqueued = branch.fresh.queue.keys[QUEUE - 12 : QUEUE - 6]
        assert official.apart(enqueued.flatten(), expected[name]) <= 1e-5
        assert int(branch.fresh.queue.pointer) == expected["pointer_after"]


@pytest.mark.parametrize("recipe", ["pixcon-sim", "pixcon-sr"])
def test_three_steps_equal_those_of_the_official_class(recipe, official, monkeypatch):
    assert official.differences(recipe, official.cases("parity_pixcon")[recipe], monkeypatch) == {}


@pytest.mark.parametrize("recipe", ["pixcon-sr", "mocov2plus"])
def test_a_temperature_one_per_cent_off_is_found_and_named(recipe, official, monkeypatch):
    temperature = recipes.resolve(recipe, {}).model.branches["image"].temperature
    off = {"model": {"branches": {"image": {"temperature": 1.01 * temperature}}}}
    monkeypatch.setattr(official, "SMALL", merge(official.SMALL, off))
    fixture = "parity_pixcon" if recipe == "pixcon-sr" else "parity_mocov2plus"
    found = official.differences(recipe, official.cases(fixture)[recipe], monkeypatch)
    assert found["step 1, torch.float64, loss image"] > 1e-3
    assert "step 1, torch.float64, momentum" not in found


def test_the_teachers_batch_norms_see_the_views_in_another_order(official, monkeypatch):
    """View 1 first in the release, view 2 first here: running means differ by one per cent, and nothing reads them."""
    expected = official.cases("parity_pixcon")["pixcon-sim"]
    steps = official.walk("pixcon-sim", [step["enqueued_view"] for step in expected], monkeypatch)
    for ours, theirs in zip(steps, expected, strict=True):
        assert 5e-3 < official.apart(ours.teacher_running_mean, theirs["teacher_running_mean"]) <= 2e-2


def _kind(kind):
    """Features of the query and the key view, (2, 12, 7, 7) each, and the in-box cells, (2, 7, 7)."""
    query, key = draw(7, *[(2, CHANNELS, GRID, GRID)] * 2)
    key = 0.5 * key + 0.5 * query
    if kind == "constant image":
        query = query[:, :, :1, :1].expand(-1, -1, GRID, GRID).contiguous()
        key = query.clone()
    if kind == "ties outside":
        query[:, :, :, 4:] = query[:, :, :1, 6:7].clone()
    if kind in ("minimum inside", "minimum outside, tied"):
        query[:, 0] += 3
        key[:, 0] += 3
        odd = (slice(1), slice(1)) if kind == "minimum inside" else (slice(None), slice(4, None))
        query[:, :, odd[0], odd[1]] = 0
        query[:, 0, odd[0], odd[1]] = -3
    inside = torch.zeros(2, GRID, GRID, dtype=torch.bool)
    if kind != "none inside":
        inside[:, :, : GRID if kind == "all inside" else 4] = True
    return query, key, inside


@pytest.mark.parametrize("case", WEIGHTS, ids=[f"{case['kind']}, {case['precision']}" for case in WEIGHTS])
def test_semantic_weights_equal_the_official_ones_and_are_zero_where_those_are_no_number(case):
    """The release divides by nothing where all cells outside tie with the minimum: its loss is then no number.

    Under fp16 the released similarities are rounded to eleven bits, ours stay in single precision.
    """
    query, key, inside = _kind(case["kind"])
    found = by_similarity(cells(query), cells(key))
    weights = semantic_weights(found.similarity, inside.flatten(1), 2.0)
    assert found.index.tolist() == case["matches"]
    expected = torch.tensor([[0.0 if w is None else w for w in row] for row in case["weights"]])
    undefined = torch.tensor([[w is None for w in row] for row in case["weights"]])
    assert undefined.any() == (case["kind"] in ("constant image", "minimum outside, tied"))
    assert torch.allclose(weights, expected, atol=1e-5 if case["precision"] == "fp32" else 3e-3, rtol=0)
    assert torch.equal(undefined, (weights == 0) & ~inside.flatten(1) if undefined.any() else undefined)


def test_teacher_momentum_is_that_of_the_official_hook():
    for step, momentum in HOOK.items():
        assert teacher_momentum(Momentum(), int(step), 184_800) == pytest.approx(momentum, rel=1e-15)
