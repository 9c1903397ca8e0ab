"""ORL's loss, boxes, patches, neighbours and pairs against numbers of the official code (fixtures/orl_*.json)."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from official import draw

from pretrain.branch_config import Head, ObjectPairs, TermWeights
from pretrain.branches.base import Geometry, Seen
from pretrain.branches.object_pairs import TERMS, ObjectPairsBranch
from pretrain.inputs import BoxFilter
from pretrain.prepare.selection import filtered, nearest, top_pairs
from pretrain.view_config import ObjectPairViews
from pretrain.views.boxes import ious, jittered

FIXTURES = Path(__file__).parent / "fixtures"
LOSSES, BOXES, JITTER, FOUND = (
    json.loads((FIXTURES / f"orl_{name}.json").read_text()) for name in ("losses", "boxes", "jitter", "correspondences")
)
CHANNELS, HIDDEN, OUT, BATCH, SIDES = 12, 10, 8, 6, (7, 7, 3, 3, 3, 3)


def _branch(weights):
    head = Head(hidden=HIDDEN, out=OUT, last_bias=False)
    terms = TermWeights(**dict(zip(TERMS, weights, strict=True)))
    branch = ObjectPairsBranch(CHANNELS, ObjectPairs(kind="object_pairs", projector=head, predictor=head, terms=terms))
    order = [branch.projector, branch.target, *branch.predictors.values()]
    parameters = [p for module in order for p in module.parameters()]
    with torch.no_grad():
        for parameter, value in zip(parameters, draw(1, *[p.shape for p in parameters]), strict=True):
            parameter.copy_(value * 0.3)
    return branch


@pytest.mark.parametrize("case", LOSSES["cases"], ids=lambda case: str(case["weights"]))
def test_losses_and_gradients_equal_the_official_ones(case, official):
    branch = _branch(case["weights"])
    shapes = [(BATCH, CHANNELS, side, side) for side in SIDES]
    student = dict(enumerate(m.requires_grad_() for m in draw(2, *shapes)))
    seen = Seen((), student, dict(enumerate(draw(3, *shapes))), Geometry((), (), (), ()))
    loss = branch(seen)
    loss.backward()
    assert loss.item() == pytest.approx(sum(case["losses"].values()), rel=1e-5)
    for view, expected in enumerate(case["gradients"]):
        gradient = student[view].grad
        assert official.apart_in_samples(gradient, expected, every=gradient.numel() // 8) <= 1e-5
    norms = [float(p.grad.norm()) for p in branch.projector.parameters()]
    assert official.apart(norms, case["gradient_neck"]) <= 1e-5
    for predictor, expected in zip(branch.predictors.values(), case["gradient_predictors"], strict=True):
        assert official.apart([float(p.grad.norm()) for p in predictor.parameters()], expected) <= 1e-5
    assert [p.grad for p in branch.target.parameters()] == [None] * 5


@pytest.mark.parametrize("term", range(3))
def test_each_term_alone_equals_the_official_one(term):
    """Weights that differ by 1e6 leave one term of the sum."""
    branch = _branch([1e6 if number == term else 1e-6 for number in range(3)])
    shapes = [(BATCH, CHANNELS, side, side) for side in SIDES]
    seen = Seen((), dict(enumerate(draw(2, *shapes))), dict(enumerate(draw(3, *shapes))), Geometry((), (), (), ()))
    official = [*LOSSES["cases"][0]["losses"].values()][term]
    assert branch(seen).item() / 1e6 == pytest.approx(official, rel=1e-5)


def _boxes(seed, count, width, height, least):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, width - least, count), rng.integers(0, height - least, count)
    w = rng.integers(least, width - x + 1)
    return np.stack([x, y, w, rng.integers(least, height - y + 1)], 1)


@pytest.mark.parametrize("case", BOXES["cases"], ids=lambda case: case["name"])
def test_the_official_filter_keeps_the_same_boxes(case):
    boxes = np.array(case["boxes"]) if "boxes" in case else _boxes(*case["drawn"])
    rule = BoxFilter(**dict(zip(("min_side", "max_aspect", "max_iou", "most"), case["settings"], strict=True)))
    assert filtered(boxes.astype(np.uint16), rule).tolist() == case["kept"]


class Replayed:
    """Python's generator in NumPy's place: the official code draws from it."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self.uniform = self._random.uniform
        self.random = self._random.random


@pytest.mark.parametrize("case", JITTER["cases"], ids=lambda case: f"{case['box']} {case['min_iou']}")
def test_a_moved_box_is_the_official_one_of_the_same_draws(case):
    rng, settings = Replayed(case["seed"]), ObjectPairViews(kind="object_pairs", min_iou=case["min_iou"])
    moved = [jittered(rng, tuple(case["box"]), tuple(case["size"]), settings) for _ in case["out"]]
    assert [list(box) for box in moved] == case["out"]
    assert ious(np.array(moved), np.array(case["box"])).tolist() == case["iou"]
    assert rng.random() == case["next"]


@pytest.mark.parametrize("case", FOUND["pairs"], ids=lambda case: f"{case['boxes']} {case['neighbours']}")
def test_pairs_of_boxes_are_the_official_ones(case):
    shapes = [(count, CHANNELS, 2, 2) for count in (case["boxes"], *case["neighbours"])]
    query, *keys = (F.normalize(features.mean((2, 3)), dim=1) for features in draw(case["seed"], *shapes))
    assert [top_pairs(query, key, 0.1).tolist() for key in keys] == case["pairs"]


def _bank(case, copies=()):
    (bank,) = draw(case["seed"], *[(case["images"], case["channels"])])
    for copy in copies:
        bank[copy] = bank[case["same"][0]]
    return F.normalize(bank, dim=1)


def test_neighbours_are_the_official_ones():
    case = FOUND["neighbours"]
    bank = _bank(case)
    found = [*nearest(bank, range(25), 10).tolist(), *nearest(bank, range(25, 40), 10).tolist()]
    assert found == case["ids"]


def test_an_image_is_never_its_own_neighbour():
    """Among three copies the official notebook leaves out the first by rank, and two of them have themselves."""
    case = FOUND["twins"]
    bank = _bank(case | {"images": 12, "channels": 8}, copies=case["same"][1:])
    found = nearest(bank, range(12), 3).tolist()
    assert sum(index in row for index, row in enumerate(case["ids"])) > 0
    assert not any(index in row for index, row in enumerate(found))
    one = dict.fromkeys(case["same"], case["same"][0])  # rounding decides which copy comes first
    for index in set(range(12)) - set(case["same"]):
        assert sorted(one.get(i, i) for i in found[index]) == sorted(one.get(i, i) for i in case["ids"][index])
