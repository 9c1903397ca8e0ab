"""SlotCon beside its official class: terms of the paper's other rows, corner cases, recipes and bad settings."""

import math

import numpy as np
import pytest
import torch
from torchvision.ops import roi_align

from ground.errors import ConfigError
from pretrain import recipes
from pretrain.branches.alignment import aligned
from pretrain.branches.base import Geometry, Seen
from pretrain.branches.grouping import Grouped, group
from pretrain.branches.pixel import cells
from pretrain.branches.reweighting import semantic_weights
from pretrain.branches.semantic_grouping import SemanticGroupingBranch
from pretrain.model.student_teacher import StudentTeacher
from pretrain.run import run

CHANNELS, OUT, PROTOTYPES, BATCH, GRID = 12, 8, 5, 6, 3
COORDINATE, SIMILARITY = {"kind": "coordinate"}, {"kind": "similarity"}


def _features():
    """Maps of the student's two views, and of the teacher's."""
    maps = torch.randn(4, BATCH, CHANNELS, GRID, GRID, generator=torch.Generator().manual_seed(3))
    return list(maps[:2]), list(maps[2:])


def _geometry(masks=None):
    masks = torch.zeros(2, BATCH, GRID, GRID, dtype=torch.bool) if masks is None else masks
    overlaps = torch.rand(2, BATCH, 4, generator=torch.Generator().manual_seed(4)).sort(2).values
    flips = torch.arange(BATCH) % 2 == 1
    nowhere = torch.zeros(BATCH, 4)
    return Geometry((masks[0], masks[1]), (overlaps[0], overlaps[1]), (nowhere, nowhere), (flips, ~flips))


def _branch(**changes):
    """The recipe's branch, small, with ``changes`` of its settings."""
    head = {"hidden": 10, "out": OUT}
    slots = {"projector": head, "predictor": head, "prototypes": PROTOTYPES, **changes}
    config = recipes.resolve("slotcon", {"train": {"batch": BATCH}, "model": {"branches": {"slots": slots}}})
    torch.manual_seed(0)
    branch = SemanticGroupingBranch(CHANNELS, config.model.branches["slots"])
    branch.centre.copy_(torch.linspace(-0.1, 0.1, PROTOTYPES))
    return branch


def _values(branch, students, teachers, geometry):
    """The loss of each direction."""
    with torch.no_grad():
        return [branch.direction(students[a], teachers[1 - a], geometry, (a, 1 - a)).item() for a in (0, 1)]


def _dots(branch, students, teachers):
    """(B, N, K) of both views of both networks: pairs of (student, teacher)."""
    networks = ((branch.projector, branch.prototypes, students), (branch.target, branch.target_prototypes, teachers))
    with torch.no_grad():
        return [
            [
                group(network(cells(maps).flatten(0, 1)).view(BATCH, -1, OUT), prototypes.weight, 0.07).dots
                for maps in of
            ]
            for network, prototypes, of in networks
        ]


def test_the_inverse_augmentation_is_roi_align_and_undoes_crop_and_flip():
    rng = torch.Generator().manual_seed(5)
    maps = torch.randn(40, 3, 5, 5, generator=rng)
    corners = torch.rand(40, 2, 2, generator=rng).sort(1).values
    boxes = torch.cat([corners[:, 0], corners[:, 1]], 1)
    indexed = torch.cat([torch.arange(40.0).view(-1, 1), boxes * 5], 1)
    unmirrored = torch.zeros(40, dtype=torch.bool)
    ours = aligned(maps, boxes, unmirrored)
    assert torch.allclose(ours, roi_align(maps, indexed, (5, 5), aligned=True), atol=1e-6)
    assert torch.equal(aligned(maps.flip(3), boxes, ~unmirrored), ours)
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(40, 4)
    assert torch.allclose(aligned(maps, whole, unmirrored), maps, atol=1e-6)
    assert not aligned(maps, torch.zeros(40, 4), unmirrored).any()


def test_views_that_do_not_meet_add_a_constant_and_no_gradient():
    branch = _branch()
    dots = torch.randn(2, GRID**2, PROTOTYPES, generator=torch.Generator().manual_seed(1)).requires_grad_()
    view = Grouped(dots, torch.zeros(2, PROTOTYPES, OUT), torch.zeros(2, PROTOTYPES, dtype=torch.bool))
    overlaps = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.2, 0.0, 1.0, 0.7]])
    flips = torch.zeros(2, dtype=torch.bool)
    geometry = Geometry((flips, flips), (overlaps, overlaps), (overlaps, overlaps), (flips, flips))
    loss = branch._aligned_term(view, view, geometry, (0, 1))
    loss.backward()
    assert not dots.grad[0].any()
    assert dots.grad[1].any()
    with torch.no_grad():
        alone = Grouped(dots[1:], view.slots[1:], view.active[1:])
        geometry = Geometry((flips, flips), (overlaps[1:],) * 2, (overlaps, overlaps), (flips[1:],) * 2)
        met = branch._aligned_term(alone, alone, geometry, (0, 1)).item()
    assert loss.item() == pytest.approx((met + math.log(PROTOTYPES)) / 2, rel=1e-5)


def test_a_group_loss_of_no_information_is_the_logarithm_of_the_prototypes():
    branch = _branch(slot_weight=1e-30, terms=[{**COORDINATE, "weight": 1.0}])
    students, teachers = _features()
    torch.nn.init.ones_(branch.prototypes.weight)
    torch.nn.init.ones_(branch.target_prototypes.weight)
    branch.centre.zero_()
    assert _values(branch, students, teachers, _geometry()) == pytest.approx([math.log(PROTOTYPES)] * 2, rel=1e-5)


@pytest.mark.parametrize("reweight", [None, {"power": 2.0}])
def test_the_similarity_term_is_the_cross_entropy_of_matched_cells(reweight):
    """Cell by cell in double precision: the key cell of greatest cosine of raw features, dots of the projections."""
    masks = torch.zeros(2, BATCH, GRID, GRID, dtype=torch.bool)
    masks[0, 1:, 0:2, 1:3] = True
    masks[1] = masks[0].flip(2)
    masks[1, 2] = True
    branch = _branch(terms=[{**SIMILARITY, "weight": 1.0, "reweight": reweight}], slot_weight=1e-30, group=3)
    students, teachers = _features()
    student_dots, teacher_dots = _dots(branch, students, teachers)
    values = _values(branch, students, teachers, _geometry(masks))
    for a in (0, 1):
        query, key = (cells(maps).detach().double().numpy() for maps in (students[a], teachers[1 - a]))
        q, k = (dots.double().numpy() for dots in (student_dots[a], teacher_dots[1 - a]))
        losses, similarity = np.zeros((BATCH, GRID**2)), np.zeros((BATCH, GRID**2))
        for image in range(BATCH):
            for cell in range(GRID**2):
                lengths = np.linalg.norm(query[image, cell]) * np.linalg.norm(key[image], axis=1)
                cosines = key[image] @ query[image, cell] / lengths
                similarity[image, cell] = cosines.max()
                target = np.exp((k[image, cosines.argmax()] - branch.centre.double().numpy()) / 0.07)
                own = np.exp(q[image, cell] / 0.1)
                losses[image, cell] = -(target / target.sum() * np.log(own / own.sum())).sum()
        weights = np.ones((BATCH, GRID**2))
        if reweight:
            weights = semantic_weights(torch.tensor(similarity), masks[a].flatten(1), 2.0).numpy()
        by_group = [(losses[part] * weights[part]).sum() / weights[part].sum() for part in (slice(0, 3), slice(3, 6))]
        assert values[a] == pytest.approx(sum(by_group) / 2, rel=1e-4)


def test_terms_are_summed_by_their_weights():
    students, teachers = _features()
    geometry = _geometry()
    both = _branch(terms=[{**COORDINATE, "weight": 0.5}, {**SIMILARITY, "weight": 2.0}], slot_weight=1e-30)
    parts = [_branch(terms=[{**kind, "weight": 1.0}], slot_weight=1e-30) for kind in (COORDINATE, SIMILARITY)]
    by_place, by_similarity = (np.array(_values(part, students, teachers, geometry)) for part in parts)
    assert _values(both, students, teachers, geometry) == pytest.approx(0.5 * by_place + 2 * by_similarity, rel=1e-5)


def test_the_centre_moves_once_a_step_by_all_micro_batches():
    students, teachers = _features()
    geometry = _geometry()
    branch, before = _branch(), _branch().centre.clone()
    first = _values(branch, students, teachers, geometry)
    again = _values(branch, students, [t * 0.5 + 1 for t in teachers], geometry)
    assert torch.equal(branch.centre, before)
    dots = [torch.cat(_dots(branch, students, maps)[1]) for maps in (teachers, [t * 0.5 + 1 for t in teachers])]
    mean = torch.cat(dots).mean((0, 1))
    branch.end_step(0)
    assert torch.allclose(branch.centre, 0.9 * before + 0.1 * mean, atol=1e-6)
    assert first != again
    branch(Seen((), dict(enumerate(students)), dict(enumerate(teachers)), geometry))
    branch.end_step(1)
    moved = 0.9 * (0.9 * before + 0.1 * mean) + 0.1 * dots[0].mean((0, 1))
    assert torch.allclose(branch.centre, moved, atol=1e-6)


def test_the_target_prototypes_follow_the_prototypes(tiny):
    torch.manual_seed(0)
    model = StudentTeacher(tiny("slotcon").model)
    branch = model.branches["slots"]
    assert torch.equal(branch.target_prototypes.weight, branch.prototypes.weight)
    before = branch.prototypes.weight.detach().clone()
    with torch.no_grad():
        branch.prototypes.weight.add_(1.0)
    branch._means.append(torch.zeros(8))
    model.end_step(0.9, 0)
    assert torch.allclose(branch.target_prototypes.weight, before + 0.1)
    assert not branch.target_prototypes.weight.requires_grad


@pytest.mark.parametrize(
    ("recipe", "terms", "others"),
    [
        ("slotcon", ["coordinate"], {}),
        ("slotcon-cocoplus", ["coordinate"], {}),
        ("slotcon-image", ["coordinate"], {"image": "image_contrast"}),
        ("slotcon-pixel", ["coordinate"], {"pixel": "pixel_contrast"}),
        ("slotcon-sim-for-coord", ["similarity"], {}),
        ("slotcon-sim-for-coord-image", ["similarity"], {"image": "image_contrast"}),
        ("slotcon-sim", ["coordinate", "similarity"], {}),
        ("slotcon-sim-sr", ["coordinate", "similarity"], {}),
    ],
)
def test_the_rows_differ_only_in_their_terms(recipe, terms, others):
    config, plain = recipes.resolve(recipe, {}), recipes.resolve("slotcon", {})
    slots = config.model.branches["slots"]
    assert [term.kind for term in slots.terms] == terms
    assert all(term.weight == 0.5 for term in slots.terms)
    assert [bool(getattr(term, "reweight", None)) for term in slots.terms] == [
        recipe == "slotcon-sim-sr" and kind == "similarity" for kind in terms
    ]
    assert slots.model_copy(update={"terms": plain.model.branches["slots"].terms}) == plain.model.branches["slots"]
    assert {name: branch.kind for name, branch in config.model.branches.items() if name != "slots"} == others
    assert all(branch.weight == 0.5 for name, branch in config.model.branches.items() if name != "slots")
    assert config.data == ("coco+" if recipe == "slotcon-cocoplus" else "coco")
    assert (config.views, config.optim, config.train) == (plain.views, plain.optim, plain.train)
    assert config.model.export == "teacher"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predictor": {"out": 128}}, r"model\.branches\.slots.*predictor\.out 128 is not projector\.out 256"),
        ({"predictor": None}, r"field `model\.branches\.slots\.predictor`"),
        ({"terms": []}, r"field `model\.branches\.slots\.terms`"),
        ({"terms": [{"kind": "place"}]}, r"field `model\.branches\.slots\.terms\.0\.kind` = 'place'"),
        (
            {"terms": [{"kind": "coordinate", "reweight": {}}]},
            r"unknown field `model\.branches\.slots\.terms\.0\.reweight`",
        ),
        ({"slot_temperature": 0}, r"field `model\.branches\.slots\.slot_temperature` = 0"),
        ({"centre_momentum": 1.5}, r"field `model\.branches\.slots\.centre_momentum` = 1\.5"),
        ({"prototypes": 0}, r"field `model\.branches\.slots\.prototypes` = 0"),
        ({"prototype": 8}, r"unknown field `model\.branches\.slots\.prototype`\. Did you mean `prototypes`"),
        ({"group": 96}, r"model\.branches\.slots\.group 96 does not divide the batch of 512"),
    ],
)
def test_bad_settings_are_refused_by_their_path(changes, message):
    with pytest.raises(ConfigError, match=message):
        recipes.resolve("slotcon", {"model": {"branches": {"slots": changes}}})


@pytest.mark.parametrize(
    ("recipe", "field"),
    [("slotcon", r"slots\.terms\.0"), ("slotcon-sim-sr", r"slots\.terms\.0"), ("pixcon-sr", r"pixel\.reweight")],
)
def test_terms_that_read_where_the_views_meet_need_views_that_do(recipe, field):
    with pytest.raises(
        ConfigError, match=rf"model\.branches\.{field} .*views\.min_overlap is 0\. Set views\.min_overlap"
    ):
        recipes.resolve(recipe, {"views": {"min_overlap": 0.0}})
    assert recipes.resolve("slotcon-sim-for-coord", {"views": {"min_overlap": 0.0}})
    reweighted = {"terms": [{"kind": "similarity", "reweight": {"power": 2.0}}]}
    with pytest.raises(ConfigError, match=r"slots\.terms\.0 reads where the views meet"):
        recipes.resolve("slotcon", {"views": {"min_overlap": 0.0}, "model": {"branches": {"slots": reweighted}}})


def test_gradient_accumulation_trains_on_the_whole_batch(tiny, photos, tmp_path):
    parts = {"train": {"accumulate": 2, "epochs": 1}, "model": {"branches": {"*": {"group": 4}}}}
    config = tiny("slotcon-sim-sr", parts)
    metrics = run(config, seed=0, folders=[photos], out=tmp_path / "out")
    assert metrics["loss/slots"] > 0
    state = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["model"]
    assert state["branches.slots.centre"].any()
