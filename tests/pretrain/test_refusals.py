"""Settings that cannot be: each is refused with the field, the value and what is allowed, however it was said."""

import shutil

import pytest
import yaml

from ground.errors import ConfigError
from pretrain import recipes

KINDS = "image_contrast, image_regression, "


def nested(path, value):
    """``value`` at ``path`` of otherwise empty settings."""
    for part in reversed(path):
        value = {part: value}
    return value


REFUSED = {
    "reweighting without masks": (
        "pixcon-sr",
        {"views": {"min_overlap": 0.0}},
        ("model.branches.pixel.reweight", "views.min_overlap is 0", "above 0"),
    ),
    "a queue that the batch does not divide": (
        "pixcon-sr",
        {"model": {"branches": {"image": {"queue": 1000}}}},
        ("model.branches.image.queue 1000", "train.batch 512", "Take a multiple, e.g. 1024."),
    ),
    "a queue shorter than the batch": (
        "byol",
        {"model": {"branches": {"image": {"kind": "image_contrast", "queue": 100}}}},
        ("model.branches.image.queue 100", "e.g. 512."),
    ),
    "ShuffleBN with one image a group": (
        "densecl",
        {"model": {"norm": {"group": 1}}},
        ("model.norm.group 1", "one image has no batch statistics", "Choose from: 2, 4, 8, 16, 32, 64, 128, 256, 512."),
    ),
    "ShuffleBN in groups that leave a rest": (
        "densecl",
        {"model": {"norm": {"group": 100}}, "train": {"accumulate": 2}},
        ("model.norm.group 100", "the batch of 256", "Choose from: 2, 4, 8, 16, 32, 64, 128, 256."),
    ),
    "an unknown branch": (
        "pixcon-sr",
        {"model": {"branches": {"pixel": {"kind": "pixels"}}}},
        ("model.branches.pixel.kind` = 'pixels'", f"allowed are {KINDS}", "Did you mean `pixel_contrast`?"),
    ),
    "a branch of no kind": (
        "pixcon-sr",
        {"model": {"branches": {"pixel": {"kind": None}}}},
        ("model.branches.pixel.kind` = 'None'", f"allowed are {KINDS}"),
    ),
    "an unknown matcher": (
        "pixcon-sr",
        {"model": {"branches": {"pixel": {"matcher": {"kind": "nearest"}}}}},
        ("model.branches.pixel.matcher.kind` = 'nearest'", "allowed are similarity, coordinate."),
    ),
    "reweighting by coordinates": (
        "pixcon-sr",
        {"model": {"branches": {"pixel": {"matcher": {"kind": "coordinate"}}}}},
        ("model.branches.pixel`", "reweight needs `matcher.kind: similarity`", "`reweight: null`"),
    ),
    "one direction of a branch that needs both": (
        "univip",
        {"model": {"symmetric": False}},
        ("model.symmetric is false", "needs both directions", "Allowed: true."),
    ),
    "groups that leave a rest": (
        "pixcon-sr",
        {"model": {"branches": {"pixel": {"group": 100}}}},
        ("model.branches.pixel.group 100", "the batch of 512", "Choose from: 2, 4, 8,"),
    ),
    **{
        f"predictions of another length than projections, {name}": (
            name,
            {"model": {"branches": {branch: {"predictor": {"out": 1}}}}},
            (f"`model.branches.{branch}`: predictor.out 1 is not projector.out", "Give both the same"),
        )
        for name, branch in {
            "byol": "image",
            "mocov2plus": "image",
            "pixcon-sr": "pixel",
            "odin": "objects",
            "orl": "objects",
            "univip": "scenes",
            "slotcon": "slots",
            "pixpro-image": "image",
        }.items()
    },
    **{
        f"nothing between bounds, views.{path}": (
            name,
            nested(["views", *path.split(".")], [2.0, 0.5]),
            (f"`views.{path}` = [2.0, 0.5]: must be (low, high)", "Write [0.5, 2]."),
        )
        for name, path in [
            ("byol", "ratio"),
            ("byol", "first.blur_sigma"),
            ("orl", "extra.area"),
            ("orl", "extra.aspect"),
        ]
    },
    "crops that start high and end low": (
        "byol",
        {"views": {"scale": [1.0, 0.1]}},
        ("`views.scale` = [1.0, 0.1]: must be (low, high)", "Write [0.1, 1]."),
    ),
    "crops of no area": ("byol", {"views": {"scale": [0.0, 1.0]}}, ("`views.scale.0` = 0.0", "greater than 0")),
    **{
        f"jitter the wrong way, {name}": (
            "byol",
            {"views": {"second": {"jitter": {name: -0.1}}}},
            (f"`views.second.jitter.{name}` = -0.1", "greater than or equal to 0"),
        )
        for name in ("brightness", "contrast", "saturation", "hue")
    },
    "hues beyond the circle": (
        "byol",
        {"views": {"first": {"jitter": {"hue": 0.6}}}},
        ("`views.first.jitter.hue` = 0.6", "less than or equal to 0.5"),
    ),
    **{
        f"views smaller than a cell, {name}": (
            name,
            nested(path, 31),
            (f"`{'.'.join(path)}` = 31", "greater than or equal to 32"),
        )
        for name, path in [
            ("byol", ["views", "size"]),
            ("orl", ["views", "extra", "size"]),
            ("odin", ["views", "extra", "size"]),
            ("univip", ["views", "extra", "size"]),
        ]
    },
    "one image": ("byol", {"train": {"batch": 1}}, ("train.batch 1 ", "no batch statistics", "at least 2")),
    "one image at once": (
        "byol",
        {"train": {"accumulate": 512}},
        ("train.batch 512 with train.accumulate 512", "no batch statistics", "at least 1024"),
    ),
    "one image under ShuffleBN": ("densecl", {"train": {"batch": 1}}, ("train.batch 1 ", "at least 2")),
    "parts of a batch that no group of reweighted cells fits in": (
        "pixcon-sr",
        {"train": {"accumulate": 8}},
        ("model.branches.pixel.group 128", "the 64 images", "train.accumulate 8", "Lower train.accumulate", "most 64"),
    ),
    "parts of a batch that no group of slots fits in": (
        "slotcon",
        {"train": {"accumulate": 16}},
        ("model.branches.slots.group 64", "the 32 images", "train.accumulate 16", "the group to at most 32."),
    ),
    "parts of a batch that no group of cells near each other fits in": (
        "pixcon-coord",
        {"train": {"accumulate": 8}},
        ("model.branches.pixel.group 128", "the 64 images", "the group to at most 64."),
    ),
}
STARRED = {
    "a queue that the batch does not divide": ("pixcon-sr", {"queue": 1000}),
    "an unknown matcher": ("pixcon-sr", {"matcher": {"kind": "nearest"}}),
    "reweighting by coordinates": ("pixcon-sr", {"matcher": {"kind": "coordinate"}}),
    "groups that leave a rest": ("pixcon-sr", {"group": 100}),
}


def refusal(name, overrides):
    with pytest.raises(ConfigError) as caught:
        recipes.resolve(name, overrides)
    assert str(caught.value).count("\n") == 0
    return str(caught.value)


@pytest.mark.parametrize("case", REFUSED)
def test_an_override_that_cannot_be_is_refused(case):
    name, overrides, parts = REFUSED[case]
    said = refusal(name, overrides)
    assert said.startswith(f"recipe `{name}`: ")
    assert all(part in said for part in parts), said


@pytest.mark.parametrize("case", REFUSED)
def test_a_recipe_that_extends_another_is_refused_in_the_same_words(case, tmp_path, monkeypatch):
    name, settings, _ = REFUSED[case]
    expected = refusal(name, settings)
    home = tmp_path / "recipes"
    shutil.copytree(recipes.HOME, home)
    (home / "mine.yaml").write_text(yaml.safe_dump({"extends": name, "title": "Mine", **settings}))
    monkeypatch.setattr(recipes, "HOME", home)
    assert refusal("mine", {}) == expected.replace(f"recipe `{name}`", "recipe `mine`")


@pytest.mark.parametrize("case", STARRED)
def test_a_star_is_refused_in_the_same_words(case):
    name, every = STARRED[case]
    assert refusal(name, {"model": {"branches": {"*": every}}}) == refusal(name, REFUSED[case][1])


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("pixcon-sr", {"train": {"batch": 64}}),  # a whole batch smaller than a group is one
        ("pixcon-sr", {"train": {"accumulate": 4}}),
        ("pixcon-sr", {"train": {"accumulate": 8}, "model": {"branches": {"pixel": {"group": 64}}}}),
        ("pixcon-sim", {"train": {"accumulate": 8}}),  # all cells count alike
    ],
)
def test_groups_that_fit_or_do_not_matter_are_taken(name, overrides):
    assert recipes.resolve(name, overrides).recipe == name


def test_a_star_of_an_unknown_kind_lists_the_kinds():
    said = refusal("pixcon-sr", {"model": {"branches": {"*": {"kind": "pixels"}}}})
    assert "model.branches.image.kind` = 'pixels': allowed are" in said


def test_a_star_in_a_recipe_is_refused(tmp_path, monkeypatch):
    home = tmp_path / "recipes"
    shutil.copytree(recipes.HOME, home)
    (home / "mine.yaml").write_text("extends: pixcon-sr\nmodel: {branches: {'*': {queue: 1024}}}\n")
    monkeypatch.setattr(recipes, "HOME", home)
    assert '`model.branches."*"` stands in the recipe; it is for profiles and --set' in refusal("mine", {})
