"""UniVIP's parts against plain formulas, an exact solver and small cases: transport, marginals, scenes, boxes."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file
from scipy.optimize import linprog

from ground.config import merge
from ground.errors import ConfigError
from ground.seeding import derive_seed, generator
from pretrain import recipes
from pretrain.branch_config import Transport
from pretrain.branches.scene_instances import marginals, transported
from pretrain.branches.transport import shares, sinkhorn
from pretrain.inputs import BoxFilter
from pretrain.model.student_teacher import StudentTeacher
from pretrain.prepare import selective_search
from pretrain.prepare.ragged import Ragged
from pretrain.run import run
from pretrain.views.boxes import ious
from pretrain.views.dataset import ViewsDataset
from pretrain.views.geometry import Crop
from pretrain.views.instances import draw_scenes, random_box, shared, within
from pretrain.views.pictures import Files
from pretrain.views.registry import build_layout


def problem(batch, rows, columns, seed=0):
    rng = torch.Generator().manual_seed(seed)
    cost = 2 * torch.rand(batch, rows, columns, generator=rng)
    return cost, shares(torch.rand(batch, rows, generator=rng)), shares(torch.rand(batch, columns, generator=rng))


def scaled(cost, rows, columns, epsilon, iterations):
    """Sinkhorn as it is written in textbooks, in double precision."""
    kernel, v = np.exp(-cost / epsilon), np.ones_like(columns)
    for _ in range(iterations):
        u = rows / (kernel @ v)
        v = columns / (kernel.T @ u)
    return u[:, None] * kernel * v


@pytest.mark.parametrize("shape", [(4, 4), (3, 5)])
def test_the_plan_equals_sinkhorns_scaling(shape):
    problems = problem(6, *shape)
    plan = sinkhorn(*problems, Transport(epsilon=0.1, iterations=50))
    for ours, cost, rows, columns in zip(plan, *problems, strict=True):
        expected = scaled(*(value.double().numpy() for value in (cost, rows, columns)), 0.1, 50)
        assert ours.flatten().tolist() == pytest.approx(expected.flatten().tolist(), rel=1e-4, abs=1e-7)
    assert plan.sum(1).flatten().tolist() == pytest.approx(problems[2].flatten().tolist(), rel=1e-5)
    assert plan.sum(2).flatten().tolist() == pytest.approx(problems[1].flatten().tolist(), rel=1e-2)


def test_with_little_entropy_the_plan_costs_what_the_exact_one_does():
    cost, rows, columns = problem(5, 4, 4, seed=3)
    plan = sinkhorn(cost, rows, columns, Transport(epsilon=0.002, iterations=20000))
    meets = np.array(
        [np.kron(np.eye(4)[k], np.ones(4)) for k in range(4)] + [np.tile(np.eye(4)[k], 4) for k in range(4)]
    )
    for ours, c, r, s in zip(plan, cost.double(), rows.double(), columns.double(), strict=True):
        exact = linprog(c.flatten().numpy(), A_eq=meets, b_eq=torch.cat([r / r.sum(), s / s.sum()]).numpy())
        assert exact.success
        assert float((ours * c).sum()) == pytest.approx(exact.fun, rel=5e-3)


def test_a_weight_of_zero_moves_nothing_and_no_weight_at_all_is_spread():
    cost, *_ = problem(2, 3, 3)
    rows = shares(torch.tensor([[0.0, 2.0, 6.0], [0.0, 0.0, 0.0]]))
    columns = shares(torch.tensor([[1.0, 0.0, 0.0], [5.0, 0.0, 5.0]]))
    assert rows.tolist() == [[0, 0.25, 0.75], pytest.approx([1 / 3] * 3)]
    plan = sinkhorn(cost, rows, columns, Transport())
    assert plan[0].flatten().tolist() == pytest.approx([0, 0, 0, 0.25, 0, 0, 0.75, 0, 0])
    assert plan[1].sum(0).tolist() == pytest.approx([0.5, 0, 0.5])


def test_marginals_weigh_instances_by_the_scenes_of_the_other_network():
    predictions = torch.tensor([[[1.0, 0], [0, 3], [-2, 0]]])
    targets = torch.tensor([[[0.0, 5], [4, 0], [1, 1]]])
    gives, takes = marginals(predictions, targets, torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 1.0]]))
    assert gives.flatten().tolist() == pytest.approx([0.25, 0.75, 0])  # 1, 3 and -2
    assert takes.flatten().tolist() == pytest.approx([0, 8 / 9, 1 / 9])  # -5, 8 and 1


def test_the_gradient_passes_through_the_cosines_alone():
    rng = torch.Generator().manual_seed(0)
    predictions, targets = (torch.randn(2, 4, 6, generator=rng) for _ in range(2))
    scene, other = (torch.randn(2, 6, generator=rng).requires_grad_() for _ in range(2))
    loss = transported(predictions.requires_grad_(), targets, scene, other, Transport())
    loss.backward()
    assert predictions.grad.norm() > 0
    assert scene.grad is None
    assert other.grad is None


def settings(**changes):
    config = recipes.resolve("univip", merge({"views": {"scale": [0.2, 1.0]}}, changes))
    return config.views, config.views.extra


def test_boxes_lie_within_an_area_up_to_its_edges():
    area = shared(Crop(10, 20, 50, 40, flip=True), Crop(0, 30, 40, 100))
    assert area == (10, 30, 30, 30)
    boxes = np.array([(10, 30, 30, 30), (9, 30, 5, 5), (39, 59, 1, 1), (39, 59, 2, 1), (20, 35, 5, 26)], np.uint16)
    assert within(boxes, area).tolist() == [True, False, True, False, False]


def test_scenes_are_drawn_again_until_both_hold_enough_things():
    """Four boxes in the middle of a picture: rarely in the first two crops, nearly always in two of twenty pairs."""
    views, extra = settings(views={"scale": [0.1, 0.5], "extra": {"boxes": {"min_side": 10}}})
    found = np.array([(40, 40, 12, 12), (60, 40, 12, 12), (40, 60, 12, 12), (60, 60, 12, 12), (0, 0, 12, 12)])
    once = extra.model_copy(update={"tries": 1})
    held = {}
    for name, rule in (("once", once), ("often", extra)):
        held[name] = 0
        for seed in range(60):
            pair, boxes = draw_scenes(generator("t", seed), (120, 110), views, rule, found)
            assert len(boxes) == 4
            assert within(np.array(boxes), shared(*pair)).all()
            held[name] += set(boxes[:4]) <= {tuple(box) for box in found.tolist()}
    assert held["once"] < 20
    assert held["often"] > 50


def test_the_first_regions_of_the_search_are_taken_and_random_ones_make_up_the_number():
    views, extra = settings(views={"scale": [1.0, 1.0], "ratio": [1.0, 1.0], "extra": {"boxes": {"min_side": 10}}})
    found = np.array([(5, 5, 20, 20), (30, 5, 20, 20), (5, 30, 20, 20), (30, 30, 20, 20), (60, 60, 20, 20)])
    whole = (100, 100)
    _, boxes = draw_scenes(generator("t", 0), whole, views, extra, found)
    assert boxes == [tuple(box) for box in found[:4].tolist()]
    _, boxes = draw_scenes(generator("t", 0), whole, views, extra, found[:1])
    assert boxes[0] == (5, 5, 20, 20)
    assert len(boxes) == 4
    for number in (1, 2, 3):
        assert ious(np.array(boxes[:number]), np.array(boxes[number])).max() <= 0.5
        assert min(boxes[number][2:]) >= 10
        assert max(boxes[number][2:]) <= 3 * min(boxes[number][2:])


@pytest.mark.parametrize("area", [(3, 4, 200, 20), (0, 0, 5, 70), (7, 7, 1, 1), (10, 0, 90, 80)])
def test_a_random_box_lies_in_its_area_whatever_its_shape(area):
    rule = BoxFilter(min_side=30)
    for seed in range(50):
        box = random_box(generator("b", seed), area, [], rule, 1)
        assert within(np.array([box]), area).all()
        assert min(box[2:]) >= min(30, *area[2:])
        assert max(box[2:]) <= 3 * min(box[2:])


def test_where_no_box_fits_the_one_that_overlaps_least_is_taken():
    area, taken = (0, 0, 20, 20), [(0, 0, 20, 20)]
    drawn = [random_box(generator("b", 2), area, taken, BoxFilter(min_side=18), tries) for tries in (1, 200)]
    overlaps = [ious(np.array(taken), np.array(box))[0] for box in drawn]
    assert 0.5 < overlaps[1] < overlaps[0]


SMALL = {
    "inputs": {"proposals": {"threads": 1}},
    "views": {"extra": {"size": 32, "boxes": {"min_side": 8}}},
}


def proposals(folder, images):
    """A finding of ``images`` images, 0 to 5 boxes each, as the search leaves it."""
    rows = [
        np.array([[4 + 5 * n, 6, 20, 20] for n in range(number % 6)], np.uint16).reshape(-1, 4)
        for number in range(images)
    ]
    found = Ragged.stack(rows)
    folder.mkdir()
    save_file({"boxes": found.values, "offsets": found.offsets}, folder / selective_search.NAME)
    return {"proposals": folder}


def test_instances_come_as_views_2_to_5_and_lie_in_both_crops(tiny, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)).save(path)
    config = tiny("univip", SMALL)
    layout = build_layout(config.views, proposals(tmp_path / "found", 6))
    assert [view.photometric for view in layout.shown[2:]] == [config.views.first] * 4
    dataset = ViewsDataset(Files([path] * 6), layout, 2, seed=5)
    for index in range(6):
        batch = dataset[[(1, index)]]
        assert [p.shape for p in batch.crops] == [(1, 3, 64, 64)] * 2 + [(1, 3, 32, 32)] * 4
        edges = [(min(x1, x2), y1, max(x1, x2), y2) for ((x1, y1, x2, y2),) in batch.boxes]
        for view in range(2, 6):
            for crop in (0, 1):
                assert all(a >= b for a, b in zip(edges[view][:2], edges[crop][:2], strict=True))
                assert all(a <= b for a, b in zip(edges[view][2:], edges[crop][2:], strict=True))
        assert all(map(torch.equal, batch.crops, dataset[[(1, index)]].crops))


def test_it_trains_all_its_parts_and_needs_its_proposals(tiny, photos, tmp_path):
    config = tiny("univip", SMALL)
    found = proposals(tmp_path / "found", 20)
    metrics = run(config, seed=0, folders=[photos], out=tmp_path / "out", inputs=found)
    assert 0 < metrics["loss"] < 2 * 2 + 2 * 2 + 2
    trained = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["model"]
    torch.manual_seed(derive_seed("init", 0))
    start = StudentTeacher(config.model).state_dict()
    for name in ("joined.weight", "predictor.0.weight", "projector.0.weight", "target.0.weight"):
        assert not torch.equal(trained[f"branches.scenes.{name}"], start[f"branches.scenes.{name}"])
    with pytest.raises(ConfigError, match=r"inputs\.proposals: the regions"):
        run(config, seed=0, folders=[photos], out=tmp_path / "none")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"views": {"extra": None}}, r"model\.branches\.scenes needs `views\.extra\.kind: instances`"),
        ({"views": {"extra": {"count": 3}}}, r"model\.branches\.scenes\.instances 4 is not views\.extra\.count 3"),
        ({"views": {"min_overlap": 0}}, r"these crops need not meet\. Set views\.min_overlap above 0"),
        ({"views": {"fallback": "unconditioned"}}, r"these crops need not meet\. .*views\.fallback to central"),
        ({"inputs": {"proposals": None}}, r"views\.extra needs `inputs\.proposals\.kind: selective_search`"),
        ({"model": {"symmetric": False}}, r"model\.branches\.scenes needs both directions\. Allowed: true"),
        ({"model": {"branches": {"scenes": {"transport": {"epsilon": 0}}}}}, r"scenes\.transport\.epsilon"),
        ({"model": {"branches": {"scenes": {"predictor": None}}}}, r"scenes\.predictor"),
        ({"model": {"branches": {"scenes": {"predictor": {"out": 128}}}}}, r"scenes`: predictor\.out 128"),
        ({"views": {"extra": {"boxes": {"max_aspect": 0.5}}}}, r"views\.extra\.boxes\.max_aspect"),
    ],
)
def test_settings_that_cannot_work_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        recipes.resolve("univip", overrides)
