"""Recipes resolve, and contradictions are refused with the field's path before anything runs."""

import json

import pytest

from ground import catalog
from ground.config import identity, read_yaml
from ground.errors import ConfigError
from pretrain import recipes


def test_the_recipes_of_table_1_are_there():
    assert set(recipes.names()) >= {
        "byol", "mocov2plus", "densecl", "pixcon-sim", "pixcon-coord", "pixcon-sr", "random-init",
    }  # fmt: skip


def test_extending_recipes_differ_only_where_they_say():
    sim, sr = (recipes.resolve(name, {}) for name in ("pixcon-sim", "pixcon-sr"))
    assert sr.model.branches["pixel"].reweight.power == 2
    plain = sr.model.branches["pixel"].model_copy(update={"reweight": None})
    assert plain == sim.model.branches["pixel"]
    assert sr.views == sim.views
    assert sr.optim == sim.optim


def test_densecl_is_one_sided_shuffled_and_without_predictors():
    model = recipes.resolve("densecl", {}).model
    assert (model.symmetric, model.norm.kind, model.momentum.base) == (False, "shuffle", 0.999)
    assert all(b.predictor is None and not b.projector.norm for b in model.branches.values())


NEAREST = {"model": {"branches": {"pixel": {"matcher": {"kind": "nearest"}}}}}
PIXELS = {"model": {"branches": {"pixel": {"kind": "pixels"}}}}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"optim": {"lrr": 1}}, r"unknown field `optim\.lrr`\. Did you mean `lr`\?"),
        ({"model": {"branches": {"pixel": {"tau": 1}}}}, r"unknown field `model\.branches\.pixel\.tau`"),
        ({"train": {"batch": 500}}, r"queue 65536 is not divisible by train\.batch 500"),
        ({"train": {"batch": 96}, "model": {"branches": {"image": None}}}, "not divisible by train.batch 96"),
        ({"train": {"accumulate": 3}}, r"train\.batch 512 is not divisible by train\.accumulate 3"),
        ({"model": {"norm": {"kind": "shuffle", "group": 1}}}, r"model\.norm\.group 1 must be at least 2"),
        ({"model": {"branches": {"pixel": {"matcher": {"kind": "coordinate"}}}}}, "reweight needs `matcher.kind"),
        (NEAREST, r"matcher\.kind` = 'nearest': allowed are similarity, coordinate\."),
        (PIXELS, r"pixel\.kind` = 'pixels': allowed are image_contrast.*Did you mean `pixel_contrast`"),
        ({"model": {"branches": {"image": None, "pixel": None}}}, "branches must name a loss"),
        ({"views": {"scale": [1.0, 0.1]}}, r"views\.scale` = \[1\.0, 0\.1\]: must be \(low, high\)"),
        ({"views": {"first": {"blur_kernel": 4}}}, "blur_kernel must be odd"),
        ({"train": {"precision": "fp8"}}, "'fp32', 'bf16' or 'fp16'"),
    ],
)
def test_contradictions_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        recipes.resolve("pixcon-sr", overrides)


def test_an_unknown_recipe_gets_the_nearest_name():
    with pytest.raises(ConfigError, match="Did you mean `pixcon-sim`"):
        recipes.resolve("pixcon_sim", {})


def test_what_cannot_change_a_result_is_not_part_of_the_identity():
    changed = {"train": {"workers": 9, "device": "cuda", "log_every": 7, "checkpoint_minutes": 1}, "title": "other"}
    assert identity(recipes.resolve("byol", changed)) == identity(recipes.resolve("byol", {}))
    assert identity(recipes.resolve("byol", {"train": {"threads": 2}})) != identity(recipes.resolve("byol", {}))


def test_a_star_is_laid_over_every_branch_that_has_the_field():
    overrides = {
        "train": {"batch": 32},
        "model": {"branches": {"*": {"queue": 64, "predictor": {"hidden": 8}}, "pixel": {"queue": 96}}},
    }
    overrides["model"]["norm"] = {"group": 8}
    branches = recipes.resolve("pixcon-sr", overrides).model.branches
    assert (branches["image"].queue, branches["pixel"].queue) == (64, 96)
    assert branches["pixel"].predictor.hidden == 8
    assert recipes.resolve("densecl", overrides).model.branches["pixel"].predictor is None
    byol = recipes.resolve("byol", {"model": {"branches": {"*": {"queue": 64, "weight": 2.0}}}})
    assert byol.model.branches["image"].weight == 2.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"model": {"branches": {"*": {"quue": 64}}}}, r'unknown field `model\.branches\."\*"\.quue`\. .*`queue`'),
        ({"model": {"branches": {"*": 5}}}, r"is no mapping of fields"),
        ({"model": {"branches": 5}}, r"`model\.branches` is no mapping"),
        ({"model": 5}, r"`model\.branches` is no mapping"),
        (
            {"model": {"branches": {"pixle": {"weight": 1}}}},
            r"no branch `model\.branches\.pixle`.*Did you mean `pixel`",
        ),
    ],
)
def test_misspelt_and_malformed_branches_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        recipes.resolve("pixcon-sr", overrides)


INPUTS = {"proposals": {"kind": "selective_search"}, "alike": {"kind": "correspondences", "recipe": "byol"}}


def test_inputs_are_part_of_a_recipe_only_where_there_are_any():
    assert "inputs" not in identity(recipes.resolve("byol", {}))
    both = recipes.resolve("byol", {"inputs": INPUTS})
    assert both.inputs["alike"].pretrained == {"weights": "byol"}
    decided = identity(both)["inputs"]["alike"]
    assert (decided["recipe"], decided["threads"], decided["boxes"]["min_side"]) == ("byol", 4, 96)
    assert not {"device", "workers"} & set(decided)


def test_a_star_is_laid_over_every_input_of_the_recipe_alone(tmp_path, monkeypatch):
    for path in recipes.HOME.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "mine.yaml").write_text(f"extends: byol\ninputs: {json.dumps(INPUTS)}\n")
    monkeypatch.setattr(recipes, "HOME", tmp_path)
    star = {"inputs": {"*": {"threads": 2, "recipe": "densecl"}, "alike": {"threads": 3}}}
    inputs = recipes.resolve("mine", star).inputs
    assert (inputs["proposals"].threads, inputs["alike"].threads, inputs["alike"].recipe) == (2, 3, "densecl")
    assert list(recipes.resolve("mine", {"inputs": {"alike": None}}).inputs) == ["proposals"]
    assert recipes.resolve("byol", {"inputs": {"*": {"threads": 2}}}).inputs == {}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"alike": INPUTS["alike"]}, r"inputs\.alike \(correspondences\) needs inputs\.proposals"),
        ({"proposals": INPUTS["alike"]}, r"inputs proposals wait for each other in a circle"),
        ({"alike": {"threads": 1}}, r"has no input `inputs\.alike`\. It has none"),
        ({"proposals": {"kind": "selective"}}, "allowed are selective_search, correspondences"),
        ({"proposals": {**INPUTS["proposals"], "device": "cuda"}}, r"inputs\.proposals\.device"),
        ({"*": {"thread": 1}}, r'unknown field `inputs\."\*"\.thread`\. .*`threads`'),
        (5, r"`inputs` is no mapping"),
    ],
)
def test_inputs_that_cannot_be_had_are_refused(inputs, message):
    with pytest.raises(ConfigError, match=message):
        recipes.resolve("byol", {"inputs": inputs})


def test_what_trains_nothing_has_no_inputs():
    with pytest.raises(ConfigError, match="inputs are for a recipe that trains"):
        recipes.resolve("random-init", {"inputs": {"proposals": INPUTS["proposals"]}})


SOURCES = {
    "official class and config", "official class, our config", "our reading of the paper", "not of the paper",
}  # fmt: skip


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_says_in_its_own_file_whence_its_settings_come(name):
    own = read_yaml(catalog.find("recipes", recipes.HOME, name))
    assert own["source"] in SOURCES
    assert own["title"]
