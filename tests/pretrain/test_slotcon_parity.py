"""SlotCon against numbers of its official class.

``fixtures/slotcon_losses.json`` says how its inputs were drawn; ``_features`` and ``_branch`` draw the same.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from official import draw

from pretrain import recipes
from pretrain.branches.alignment import aligned
from pretrain.branches.base import Geometry, Seen
from pretrain.branches.grouping import Grouped, assignment, group
from pretrain.branches.pixel import cells
from pretrain.branches.semantic_grouping import SemanticGroupingBranch
from pretrain.training.schedule import teacher_momentum
from pretrain.views.geometry import Crop, overlap

OFFICIAL = json.loads((Path(__file__).parent / "fixtures" / "slotcon_losses.json").read_text())
ONE, TWO = OFFICIAL["one_process"], OFFICIAL["two_processes"]
CHANNELS, HIDDEN, OUT, PROTOTYPES, BATCH, GRID = 512, 10, 8, 24, 6, 7


def _features():
    maps = draw(13, *[(BATCH, CHANNELS, GRID, GRID)] * 4)
    maps[2], maps[3] = maps[2] * 0.5 + maps[0] * 0.5, maps[3] * 0.5 + maps[1] * 0.5
    for feature, cell in zip(maps, draw(14, *[(CHANNELS, 1, 1)] * 4), strict=True):
        feature[0] = cell
    return [m.requires_grad_() for m in maps[:2]], maps[2:]


def _geometry():
    flips = tuple(torch.tensor(flags) for flags in OFFICIAL["flags"])
    coords = torch.tensor(OFFICIAL["coords"])
    mirrored = torch.stack([1 - coords[..., 2], coords[..., 1], 1 - coords[..., 0], coords[..., 3]], -1)
    overlaps = torch.where(torch.stack(flips).unsqueeze(2), mirrored, coords)
    nowhere = torch.zeros(BATCH, 4)
    masks = torch.zeros(BATCH, GRID, GRID, dtype=torch.bool)
    return Geometry((masks, masks), (overlaps[0], overlaps[1]), (nowhere, nowhere), flips)


def _settings(**changes):
    """The recipe's settings at the fixture's size."""
    head = {"hidden": HIDDEN, "out": OUT}
    slots = {"projector": head, "predictor": head, "prototypes": PROTOTYPES, **changes}
    config = recipes.resolve("slotcon", {"train": {"batch": BATCH}, "model": {"branches": {"slots": slots}}})
    return config.model.branches["slots"]


def _branch(**changes):
    """The branch with the parameters and the centre of the fixture."""
    branch = SemanticGroupingBranch(CHANNELS, _settings(**changes))
    order = [branch.projector, branch.target, branch.predictor, branch.prototypes, branch.target_prototypes]
    named = [(name, p) for module in order for name, p in module.named_parameters()]
    with torch.no_grad():
        for (name, parameter), value in zip(named, draw(11, *[p.shape for _, p in named]), strict=True):
            vector = 0.3 * value + (1.0 if name.endswith("weight") else 0.0)
            parameter.copy_(value if parameter.dim() > 1 else vector)
        for target, source in branch.averaged():
            for theirs, ours in zip(target.parameters(), source.parameters(), strict=True):
                theirs.copy_(0.7 * ours + 0.3 * theirs)
        branch.centre.copy_(draw(12, *[(1, PROTOTYPES)])[0][0] * 0.05)
    return branch


def _values(branch, students, teachers, geometry):
    """The loss of each direction."""
    with torch.no_grad():
        return [branch.direction(students[a], teachers[1 - a], geometry, (a, 1 - a)).item() for a in (0, 1)]


def _as_maps(dots):
    return dots.transpose(1, 2).unflatten(2, (GRID, GRID))


def _grouped(branch, students, teachers):
    """Both views of both networks, grouped: pairs of (student, teacher)."""
    with torch.no_grad():
        vectors = [
            (network(cells(maps).flatten(0, 1)).view(BATCH, -1, OUT), prototypes.weight)
            for network, prototypes, of in (
                (branch.projector, branch.prototypes, students),
                (branch.target, branch.target_prototypes, teachers),
            )
            for maps in of
        ]
        found = [group(*each, 0.07) for each in vectors]
    return found[:2], found[2:]


def test_dots_assignments_slots_and_active_prototypes_equal_the_official_ones(official):
    grouped = _grouped(_branch(), *_features())
    for name, views in zip(("student", "teacher"), grouped, strict=True):
        for number, view in enumerate(views):
            assert official.apart_in_samples(_as_maps(view.dots), ONE[f"{name}_dots"][number]) <= 1e-5
            assert official.apart_in_samples(view.slots, ONE[f"{name}_slots"][number]) <= 1e-5
            bits = ["".join(str(int(bit)) for bit in image) for image in view.active]
            assert bits == ONE[f"{name}_active"][number]
    for number, view in enumerate(grouped[0]):
        assert (
            official.apart_in_samples(_as_maps(assignment(view.dots, 0.07) - 1e-6), ONE["student_assignment"][number])
            <= 1e-5
        )


def test_the_inverse_augmentation_equals_the_official_one(official):
    """Full overlap, one cell, part of a cell, mirrored views, and an intersection without width."""
    geometry = _geometry()
    for name, views in zip(("student", "teacher"), _grouped(_branch(), *_features()), strict=True):
        for number, view in enumerate(views):
            places = aligned(_as_maps(view.dots), geometry.overlaps[number], geometry.flips[number])
            assert official.apart_in_samples(places, ONE[f"{name}_aligned"][number]) <= 1e-5


def test_overlaps_equal_the_official_clipped_coordinates():
    for case in OFFICIAL["overlaps"]:
        first, second = (Crop(*crop) for crop in case["crops"])
        for pair, expected in zip(((first, second), (second, first)), case["before_flip"], strict=True):
            assert np.array_equal(overlap(*pair), np.array(expected, dtype=np.float32))


def test_losses_gradients_and_centre_equal_the_official_ones(official):
    students, teachers = _features()
    geometry = _geometry()
    for part, group_weight, slot_weight in (("group", 1.0, 1e-30), ("slot", 1e-30, 1.0)):
        alone = _branch(terms=[{"kind": "coordinate", "weight": group_weight}], slot_weight=slot_weight)
        assert _values(alone, students, teachers, geometry) == pytest.approx(ONE[part], rel=1e-5)
    branch = _branch()
    loss = branch(Seen((), dict(enumerate(students)), dict(enumerate(teachers)), geometry))
    loss.backward()
    assert loss.item() == pytest.approx(ONE["loss"], rel=1e-5)
    for view in (0, 1):
        assert official.apart_in_samples(students[view].grad, ONE["gradient_features"][view]) <= 1e-5
    assert official.apart_in_samples(branch.prototypes.weight.grad, ONE["gradient_prototypes"]) <= 1e-5
    for module, name in ((branch.projector, "gradient_projector"), (branch.predictor, "gradient_predictor")):
        norms = [float(p.grad.norm()) for p in module.parameters()]
        # A bias before a batch norm has no gradient but rounding.
        assert norms == pytest.approx(ONE[name], rel=1e-5, abs=1e-5 * max(ONE[name]))
    assert all(p.grad is None for p in [*branch.target.parameters(), branch.target_prototypes.weight])
    branch.end_step(0)
    assert branch.centre.tolist() == pytest.approx(ONE["center_after"], rel=1e-5, abs=1e-8)


def test_groups_average_as_the_official_processes_do(official):
    """Two processes of three images each: slot losses are means per process, keys are everyone's."""
    branch = _branch(group=BATCH // 2).eval()
    students, teachers = _features()
    geometry = _geometry()
    expected = [(sum(TWO["group_by_process"][a]) + sum(TWO["slot_by_process"][a])) / 4 for a in (0, 1)]
    loss = branch(Seen((), dict(enumerate(students)), dict(enumerate(teachers)), geometry))
    assert loss.item() == pytest.approx(sum(expected), rel=1e-5)
    loss.backward()
    for view in (0, 1):
        assert official.apart_in_samples(students[view].grad, TWO["gradient_features"][view]) <= 1e-5
    assert official.apart_in_samples(branch.prototypes.weight.grad, TWO["gradient_prototypes"]) <= 1e-5
    branch.end_step(0)
    assert branch.centre.tolist() == pytest.approx(TWO["center_after"], rel=1e-5, abs=1e-8)


def test_the_fixture_has_the_corner_cases():
    """An image without a slot active in both views, and slots active in one view alone."""
    for a in (0, 1):
        images = zip(ONE["student_active"][a], ONE["teacher_active"][1 - a], strict=True)
        pairs = [list(zip(*image, strict=True)) for image in images]
        assert [pair.count(("1", "1")) > 0 for pair in pairs] == [False] + [True] * (BATCH - 1)
        assert all(pair.count(("1", "0")) > 0 and pair.count(("0", "1")) > 0 for pair in pairs)


def test_momentum_equals_the_official_one():
    """The release averages before a pass, with that pass's number: our average after the step before."""
    official = OFFICIAL["momentum"]
    momentum = recipes.resolve("slotcon", {}).model.momentum
    for row in official["values"]:
        assert teacher_momentum(momentum, row["step"] - 1, official["steps"]) == pytest.approx(
            row["momentum"], rel=1e-12
        )


@pytest.mark.parametrize("corner", ["no_common_slot", "one_common_slot", "two_common_slots"])
def test_too_few_common_slots_give_a_loss_of_zero(corner):
    """Where the released class gives NaN, or its batch norm fails; with two it works, and ours equals it."""
    case = OFFICIAL["slot_corners"][corner]
    branch = _branch()
    slots = [value.requires_grad_() for value in draw(15, *[(3, PROTOTYPES, OUT)] * 2)]
    grouped = []
    for values, chosen in zip(slots, (case["student"], case["teacher"]), strict=True):
        active = torch.zeros(3, PROTOTYPES, dtype=torch.bool)
        active[range(3), chosen] = True
        grouped.append(Grouped(torch.zeros(3, 1, PROTOTYPES), values, active))
    loss = branch._slot_term(*grouped)
    loss.backward()
    assert loss.item() == pytest.approx(case.get("ours", case["official"]), rel=1e-5)
    gradients = [float(p.grad.norm()) for p in branch.predictor.parameters()]
    assert (max(gradients) > 0) == (corner == "two_common_slots")
