"""UniVIP's plan and its terms against numbers of a third party's code.

``fixtures/univip.json``: utkutpcgl/UniVIP run on inputs drawn as here. Its instance term differs from ours on purpose
(docs/deviations.md): it gives the targets' marginals to the predictions and does not divide them by their sums.
"""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from pretrain.branch_config import Transport
from pretrain.branches.scene_instances import distance, transported
from pretrain.branches.transport import sinkhorn

THEIRS = json.loads((Path(__file__).parent / "fixtures" / "univip.json").read_text())
B, K, D = 5, 4, 6
OTA = Transport(epsilon=0.1, iterations=50)


def drawn():
    rng = torch.Generator().manual_seed(21)
    shapes = [(B, K, D), (B, K, D), *[(B, D)] * 4, (D, K * D), (D,)]
    o, t, fo1, fo2, ft1, ft2, weight, bias = (torch.randn(shape, generator=rng) for shape in shapes)
    o[0] = t[0]
    fo1[1] = fo2[1] = -10 * t[1].mean(0)
    return o, t, (fo1, fo2), (ft1, ft2), (weight, bias)


def cost_of(o, t):
    return 1 - F.normalize(o, dim=2) @ F.normalize(t, dim=2).transpose(1, 2)


def test_the_plan_equals_theirs_for_given_marginals():
    o, t, *_ = drawn()
    rng = torch.Generator().manual_seed(22)
    weights = [torch.rand(B, K, generator=rng) + 0.05 for _ in range(2)]
    rows, columns = (w / w.sum(1, keepdim=True) for w in weights)
    plan = sinkhorn(cost_of(o, t), rows, columns, OTA)
    assert plan.flatten().tolist() == pytest.approx(THEIRS["plan"], rel=1e-5, abs=1e-7)


def test_scene_terms_are_half_of_theirs_with_their_gradients(official):
    """They take 2 − 2 cos, the paper and we the half of it."""
    o, _, scenes, targets, (weight, bias) = drawn()
    o, *scenes = (value.clone().requires_grad_() for value in (o, *scenes))
    together = F.linear(o.flatten(1), weight, bias)
    scene = distance(scenes[0], targets[1]) + distance(scenes[1], targets[0])
    belonging = distance(together, targets[0]) + distance(together, targets[1])
    assert scene.item() == pytest.approx(THEIRS["scene"] / 2, rel=1e-5)
    assert belonging.item() == pytest.approx(THEIRS["scene_instance"] / 2, rel=1e-5)
    (scene + belonging).backward()
    for value, expected in ((scenes[0], 0), (scenes[1], 1)):
        theirs = [g / 2 for g in THEIRS["gradients"]["scene"][expected]]
        assert official.apart(value.grad.flatten(), theirs) <= 1e-5
    theirs = [g / 2 for g in THEIRS["gradients"]["scene_instance"]]
    assert official.apart(o.grad.flatten(), theirs) <= 1e-5


def test_the_instance_term_differs_from_theirs_by_the_marginals_alone(official):
    """Theirs is minus the sum of plan and cosine; with the marginals given their way ours gives the same."""
    o, t, scenes, targets, _ = drawn()
    prediction, projection = (scenes[0] + scenes[1]) / 2, (targets[0] + targets[1]) / 2
    takes = (t @ prediction.unsqueeze(2)).squeeze(2).relu() + 1e-8
    gives = (o @ projection.unsqueeze(2)).squeeze(2).relu() + 1e-8
    plan = sinkhorn(cost_of(o, t), takes, gives, OTA)
    as_theirs = -(plan * (1 - cost_of(o, t))).sum((1, 2))
    assert official.apart(as_theirs, THEIRS["instance"]) <= 1e-5
    ours = [transported(*(v[i : i + 1] for v in (o, t, prediction, projection)), OTA).item() - 1 for i in range(B)]
    assert official.apart(ours, THEIRS["instance_with_paper_marginals"]) <= 1e-5
