"""PixPro's coordinates, positives, propagation, losses and gradients against numbers of the official code.

``fixtures/pixpro_losses.json``: the released class and its coordinate transforms run on crops, features and parameters
as ``draw`` gives them here: views that do not meet, that share one cell, that are the same, that are mirrored.
"""

import json
from pathlib import Path

import pytest
import torch
from official import draw

from ground.errors import ConfigError
from pretrain import recipes
from pretrain.branch_config import Head, ImageRegression, PixelPropagation
from pretrain.branches.base import Geometry, Seen
from pretrain.branches.image import ImageRegressionBranch
from pretrain.branches.matching import cell_distances
from pretrain.branches.pixel import cells
from pretrain.branches.propagation import PixelPropagationBranch, mean_cosine, relative_box
from pretrain.optim_config import Lars
from pretrain.views.geometry import Crop, signed_box

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "pixpro_losses.json").read_text())
CHANNELS, OUT, GRID = 12, 8, 7
HEAD = Head(hidden=10, out=OUT)
PAIRS = FIXTURE["pairs"]


def _features():
    maps = draw(23, *[(len(PAIRS), CHANNELS, GRID, GRID)] * 4)
    maps[2], maps[3] = maps[2] * 0.5 + maps[1] * 0.5, maps[3] * 0.5 + maps[0] * 0.5
    return [m.requires_grad_() for m in maps[:2]], maps[2:]


def _geometry(pairs=PAIRS):
    """The listed crops, through our own boxes; what PixPro does not read is empty."""
    boxes = [
        torch.stack([torch.from_numpy(signed_box(Crop(*crop[:4], flip=bool(crop[4])))) for crop in crops])
        for crops in zip(*(pair[1:] for pair in pairs), strict=True)
    ]
    sizes = torch.tensor([size for size, *_ in pairs], dtype=torch.float32)
    none = torch.zeros(len(pairs), 0)
    return Geometry((none, none), (none, none), tuple(boxes), (none, none), (sizes, sizes))


def _branches(image):
    """The branches with the parameters of the fixture; the second is None for PixPro without images."""
    pixel = PixelPropagationBranch(CHANNELS, PixelPropagation(kind="pixel_propagation", projector=HEAD))
    modules = [pixel.projector, pixel.target, pixel.propagation]
    instance = None
    if image:
        config = ImageRegression(kind="image_regression", pool="after", projector=HEAD, predictor=HEAD)
        instance = ImageRegressionBranch(CHANNELS, config)
        modules += [instance.projector, instance.target, instance.predictor]
    parameters = [parameter for module in modules for parameter in module.parameters()]
    shapes = [(*p.shape, 1, 1) if p.dim() == 2 else p.shape for p in parameters]
    with torch.no_grad():
        for parameter, value in zip(parameters, draw(21, *shapes), strict=True):
            parameter.copy_(value.view(parameter.shape) * 0.3)
    return pixel, instance


def _seen(students, teachers, geometry):
    return Seen((), dict(enumerate(students)), dict(enumerate(teachers)), geometry)


def _sampled(tensor):
    return tensor.detach().flatten()[:: max(1, tensor.numel() // 24)]


def test_coordinates_equal_the_official_ones():
    geometry = _geometry()
    for box, size, expected in zip(geometry.boxes, geometry.sizes, FIXTURE["coordinates"], strict=True):
        assert torch.allclose(relative_box(box, size), torch.tensor(expected), rtol=0, atol=1e-7)


def test_positives_equal_the_official_ones():
    geometry = _geometry()
    first, second = (relative_box(box, size) for box, size in zip(geometry.boxes, geometry.sizes, strict=True))
    positive = cell_distances(first, second, GRID) < 0.7
    assert [row.flatten().nonzero().flatten().tolist() for row in positive] == FIXTURE["positive"]
    counts = [len(row) for row in FIXTURE["positive"]]
    assert counts[:3] == [0, 1, 133], "views that do not meet, that share one cell, that are the same"
    assert torch.equal(cell_distances(second, first, GRID) < 0.7, positive.transpose(1, 2))
    column = [box[6:7] for box in geometry.boxes]
    assert (counts[6], int((cell_distances(*column, GRID) < 0.7).sum())) == (21, 7), "a wide image; the same in pixels"


@pytest.mark.parametrize("name", ["pixpro", "pixpro-image"])
def test_losses_and_gradients_equal_the_official_ones(name, official):
    expected = FIXTURE["cases"][name]
    pixel, instance = _branches(image=name == "pixpro-image")
    students, teachers = _features()
    geometry = _geometry()
    dense = [pixel.direction(students[a], teachers[1 - a], geometry, (a, 1 - a)) for a in (0, 1)]
    assert [loss.item() for loss in dense] == pytest.approx(expected["dense"], rel=1e-5)
    seen = _seen(students, teachers, geometry)
    total = pixel(seen)
    modules = {"projector": pixel.projector, "value_transform": pixel.propagation.transform}
    if instance is not None:
        pooled = [instance.direction(students[a], teachers[1 - a], geometry, (a, 1 - a)) for a in (0, 1)]
        assert [loss.item() - 2 for loss in pooled] == pytest.approx(expected["instance"], rel=1e-5, abs=1e-6)
        total = total + instance(seen) - 4
        modules |= {"projector_instance": instance.projector, "predictor": instance.predictor}
    assert total.item() == pytest.approx(expected["total"], rel=1e-5)
    total.backward()
    for student, gradient in zip(students, expected["gradient"], strict=True):
        assert official.apart(student.grad.norm(), gradient["norm"]) <= 1e-5
        assert official.apart(_sampled(student.grad), gradient["samples"]) <= 1e-5
    for module, gradients in expected["gradient_parameters"].items():
        ours = [parameter.grad for parameter in modules[module].parameters()]
        largest = max(gradient["norm"] for gradient in gradients)
        # 0 but for rounding on either side: a bias that a batch norm takes out again.
        vanish = [gradient["norm"] < 1e-5 * largest for gradient in gradients]
        assert all(float(ours[n].norm()) < 2e-4 * largest for n, nothing in enumerate(vanish) if nothing)
        stay = [n for n, nothing in enumerate(vanish) if not nothing]
        # Sums over all cells of an image cancel: 3.6e-5 is the worst.
        norms = [float(ours[n].norm()) for n in stay]
        assert official.apart(norms, [gradients[n]["norm"] for n in stay]) <= 5e-5
        samples = [number for n in stay for number in gradients[n]["samples"]]
        assert official.apart(torch.cat([_sampled(ours[n]) for n in stay]), samples) <= 5e-5
    assert all(parameter.grad is None for parameter in pixel.target.parameters())


def test_propagation_and_each_images_cosine_equal_the_official_ones(official):
    expected = FIXTURE["cases"]["pixpro"]
    pixel, _ = _branches(image=False)
    students, teachers = _features()
    geometry = _geometry()
    propagated, keys = [], []
    for student, teacher in zip(students, teachers, strict=True):
        shape = (len(PAIRS), GRID * GRID, -1)
        propagated.append(pixel.propagation(pixel.online(cells(student).flatten(0, 1)).view(shape)))
        keys.append(torch.nn.functional.normalize(pixel.momentum(cells(teacher).flatten(0, 1)).view(shape), dim=2))
    for ours, theirs in zip(propagated, expected["propagated"], strict=True):
        assert official.apart(ours.norm(), theirs["norm"]) <= 1e-5
        assert official.apart(_sampled(ours.transpose(1, 2)), theirs["samples"]) <= 1e-5
    boxes = [relative_box(box, size) for box, size in zip(geometry.boxes, geometry.sizes, strict=True)]
    for a in (0, 1):
        unit = torch.nn.functional.normalize(propagated[a], dim=2)
        near = (cell_distances(boxes[a], boxes[1 - a], GRID) < 0.7).float()
        cosines = mean_cosine(unit, keys[1 - a], near)
        assert cosines.detach().tolist() == pytest.approx(expected["dense_images"][a], rel=1e-5, abs=1e-7)
        assert cosines[0] == 0


def test_views_that_never_meet_teach_nothing():
    pixel, _ = _branches(image=False)
    students, teachers = _features()
    loss = pixel(_seen(students, teachers, _geometry([PAIRS[0]] * len(PAIRS))))
    loss.backward()
    assert loss.item() == FIXTURE["nowhere"]["total"] == 0
    assert all(float(student.grad.norm()) == FIXTURE["nowhere"]["gradient_norm"] == 0 for student in students)


def test_mirrored_columns_run_the_other_way():
    size, crop = torch.tensor([[300.0, 300.0]]), Crop(40, 50, 210, 210)
    box, mirrored = (torch.from_numpy(signed_box(c))[None] for c in (crop, Crop(40, 50, 210, 210, flip=True)))
    positive = cell_distances(relative_box(box, size), relative_box(mirrored, size), GRID)[0] < 0.7
    expected = [row * GRID + GRID - 1 - column for row in range(GRID) for column in range(GRID)]
    assert positive.nonzero()[:, 1].tolist() == expected


def test_an_image_one_pixel_wide_has_finite_coordinates():
    box = relative_box(torch.tensor([[0.0, 0.0, 1.0, 9.0]]), torch.tensor([[1.0, 9.0]]))
    assert box.tolist() == [[0, 0, 0, 1]]


def test_equal_views_and_equal_cells_reach_the_least_loss():
    """All cells of an image alike: every cosine is 1 where student and teacher agree and nothing is transformed."""
    pixel = PixelPropagationBranch(OUT, PixelPropagation(kind="pixel_propagation", projector=HEAD, transform_layers=0))
    maps = torch.randn(4, OUT, 1, 1, generator=torch.Generator().manual_seed(0)).expand(4, OUT, GRID, GRID)
    loss = pixel(_seen([maps, maps], [maps, maps], _geometry([PAIRS[2]] * 4)))
    assert loss.item() == pytest.approx(-4, abs=1e-4)


def test_the_recipes_are_pixpros():
    plain, image = (recipes.resolve(name, {}) for name in ("pixpro", "pixpro-image"))
    assert plain.optim == image.optim == Lars(kind="lars", lr=2.0, weight_decay=1e-5, epsilon=1e-8)
    assert plain.views.min_overlap == 0
    assert (plain.train.batch, plain.train.epochs, plain.model.momentum.base) == (512, 800, 0.99)
    assert set(plain.model.branches) < set(image.model.branches) == {"pixel", "image"}
    assert image.model.branches["image"].pool == "after"


def test_a_predictor_beside_propagation_is_refused():
    with pytest.raises(ConfigError, match=r"model\.branches\.pixel\.predictor"):
        recipes.resolve("pixpro", {"model": {"branches": {"pixel": {"predictor": {"hidden": 8}}}}})
