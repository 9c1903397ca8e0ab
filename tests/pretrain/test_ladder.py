"""Table 4's ladder and COCO+: each recipe differs from its neighbour by exactly what its row says."""

import pytest

from harness import profiles
from pretrain import recipes
from results import layout

PREDICTOR = {"hidden": 2048, "out": 128, "norm": True, "last_bias": True}
MOCO_TO_BYOL = {
    "views.scale": ((0.2, 1.0), (0.08, 1.0)),
    "views.min_overlap": (0.0, 0.01),
    "views.first.jitter.saturation": (0.4, 0.2),
    "views.first.blur": (0.5, 1.0),
    "views.second.jitter.saturation": (0.4, 0.2),
    "views.second.blur": (0.5, 0.1),
    "views.second.solarize": (0.0, 0.2),
    "optim.lr": (0.3, 0.4),
}
SCALED = {  # what a profile makes of the crop floors and rates: (MoCo-v2's, BYOL's)
    "smoke": (((0.45, 1.0), (0.3, 1.0)), (0.0075, 0.01)),
    "laptop": (((0.45, 1.0), (0.3, 1.0)), (0.01125, 0.015)),
    "mini": (((0.4, 1.0), (0.2, 1.0)), (0.0375, 0.05)),
    "paper": (MOCO_TO_BYOL["views.scale"], MOCO_TO_BYOL["optim.lr"]),
}
HEADS = [f"model.branches.{branch}" for branch in ("image", "pixel")]
STEPS = [
    (
        "densecl",
        "densecl-syncbn",
        {"model.norm.kind": ("shuffle", "sync"), **{f"{head}.projector.norm": (False, True) for head in HEADS}},
    ),
    ("densecl-syncbn", "densecl-predictor", {f"{head}.predictor": (None, PREDICTOR) for head in HEADS}),
    (
        "densecl-predictor",
        "densecl-momentum",
        {"model.momentum.base": (0.999, 0.99), "model.momentum.schedule": ("constant", "ascending")},
    ),
    ("densecl-momentum", "densecl-symmetric", {"model.symmetric": (False, True)}),
    ("densecl-symmetric", "pixcon-sim", MOCO_TO_BYOL),
    ("pixcon-sim", "pixcon-sim-one-sided", {"model.symmetric": (True, False)}),
    ("pixcon-sim", "pixcon-sr", {"model.branches.pixel.reweight": (None, {"power": 2.0})}),
    ("pixcon-sr", "pixcon-sr-cocoplus", {"data": ("coco", "coco+")}),
]


def flat(settings, path=""):
    """``{"model.norm.kind": "sync", …}``, without what names a recipe."""
    found = {}
    for field, value in settings.items():
        if not path and field in ("recipe", "title", "source"):
            continue
        here = f"{path}{field}"
        found |= flat(value, f"{here}.") if isinstance(value, dict) else {here: value}
    return found


def difference(one, other, resolve):
    """``{field: (one's, other's)}``; a mapping that only one of them has is one field."""
    left, right = (flat(resolve(name).model_dump()) for name in (one, other))
    for mine, theirs in ((left, right), (right, left)):
        for absent in [path for path, value in mine.items() if value is None and path not in theirs]:
            below = [path for path in theirs if path.startswith(f"{absent}.")]
            theirs[absent] = {path.removeprefix(f"{absent}."): theirs.pop(path) for path in below}
    assert left.keys() == right.keys()
    return {path: (left[path], right[path]) for path in left if left[path] != right[path]}


@pytest.mark.parametrize(("one", "other", "expected"), STEPS, ids=[f"{one}→{other}" for one, other, _ in STEPS])
def test_neighbours_differ_by_what_the_row_says(one, other, expected):
    found = difference(one, other, lambda name: recipes.resolve(name, {}))
    assert found.keys() == expected.keys()
    for path, (before, after) in expected.items():
        assert found[path][0] == before, path
        if isinstance(after, dict):
            assert found[path][1].items() >= after.items(), path
        else:
            assert found[path][1] == after, path


@pytest.mark.parametrize("profile", SCALED)
@pytest.mark.parametrize(("one", "other", "expected"), STEPS, ids=[f"{one}→{other}" for one, other, _ in STEPS])
def test_a_profile_keeps_neighbours_apart_by_the_same_fields(profile, one, other, expected):
    found = difference(one, other, profiles.load(profile).recipe)
    assert found.keys() == expected.keys()
    if expected is MOCO_TO_BYOL:
        assert (found["views.scale"], found["optim.lr"]) == SCALED[profile]
        (moco, _), (byol, _) = found["views.scale"]
        assert moco > byol
        assert found["optim.lr"][0] / found["optim.lr"][1] == pytest.approx(0.3 / 0.4)


@pytest.mark.parametrize("profile", ["smoke", "mini", "paper"])
@pytest.mark.parametrize("name", sorted({name for one, other, _ in STEPS for name in (one, other)}))
def test_every_row_resolves_at_every_scale(profile, name):
    config = profiles.load(profile).recipe(name)
    heads = [getattr(branch, part) for branch in config.model.branches.values() for part in ("projector", "predictor")]
    hidden = {"smoke": 256, "mini": 512, "paper": 2048}[profile]
    assert {head.hidden for head in heads if head} == {hidden}
    assert config.data == ("coco+" if name.endswith("cocoplus") else "coco")


def test_the_ladder_is_table_4():
    rows = [row.recipe for row in layout.load("4").rows]
    assert rows == ["densecl", *(other for _, other, _ in STEPS[:6])]
