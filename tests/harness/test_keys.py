"""Keys: everything that decides a result, nothing else, and never another value by accident."""

import json
from pathlib import Path

import pytest
from pydantic import Field

from ground.config import Strict, not_identity
from harness import profiles
from harness.keys import directory_name, prepare_key, pretrain_key, transfer_key

FROZEN = Path(__file__).parent / "frozen_keys.json"
FROZEN_SETTINGS = Path(__file__).parent / "frozen_settings.json"


class Inner(Strict):
    rate: float = 0.1
    sizes: tuple[int, ...] = (1, 2)
    threads: int = not_identity(2)


class Small(Strict):
    name: str = "a"
    version: int = 1
    inner: Inner = Inner()
    more: dict[str, Inner] = Field(default_factory=dict)
    workers: int = not_identity(0)


PRETRAIN = {"seed": 0, "profile": "smoke", "data": "d" * 64, "device": "cpu"}
TRANSFER = {
    "seed": 7, "run": 3, "profile": "smoke", "data": "e" * 64, "weights": "f" * 64, "tool": "torchvision",
    "device": "cpu",
}  # fmt: skip


def test_keys_are_what_they_were():
    """If this fails, every run in every store of every user is lost: raise ``SCHEMA`` only on purpose."""
    assert small_keys() == json.loads(FROZEN.read_text())


def small_keys():
    return {
        "pretrain": pretrain_key(Small(), **PRETRAIN),
        "pretrain, with mappings": pretrain_key(Small(more={"b": Inner(rate=1), "a": Inner()}), **PRETRAIN),
        "transfer": transfer_key(Small(), **TRANSFER),
    }


def test_recipes_and_tasks_have_the_keys_they_had():
    """If it fails on purpose, results change: raise the ``version`` of what changed and run this file to freeze it."""
    now, frozen = settings_keys(), json.loads(FROZEN_SETTINGS.read_text())
    for kind, keys in now.items():
        new = sorted(set(keys) - set(frozen[kind]))
        assert not new, f"freeze the keys of new {kind} {', '.join(new)}: python tests/harness/test_keys.py"
    assert now == frozen


def settings_keys():
    """The keys of all recipes and tasks at the paper's scale, on no particular data."""
    profile = profiles.load("paper")
    recipes = {name: pretrain_key(profile.recipe(name), **PRETRAIN) for name in profiles.recipe_names()}
    tasks = {name: transfer_key(profile.task(name), **TRANSFER) for name in profiles.task_names()}
    return {"recipes": recipes, "tasks": tasks}


@pytest.mark.parametrize(("name", "value"), [("seed", 1), ("profile", "mini"), ("data", "c" * 64), ("device", "cuda")])
def test_what_decides_a_pretraining_changes_its_key(name, value):
    assert pretrain_key(Small(), **{**PRETRAIN, name: value}) != pretrain_key(Small(), **PRETRAIN)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("seed", 1), ("run", 4), ("profile", "mini"), ("data", "c" * 64), ("weights", "c" * 64)),
        *(("tool", "detectron2"), ("device", "cuda")),
    ],
)
def test_what_decides_a_transfer_changes_its_key(name, value):
    assert transfer_key(Small(), **{**TRANSFER, name: value}) != transfer_key(Small(), **TRANSFER)


def test_settings_change_the_key_unless_declared_not_to():
    same, base = Small(workers=8, inner=Inner(threads=9)), pretrain_key(Small(), **PRETRAIN)
    assert pretrain_key(same, **PRETRAIN) == base
    assert pretrain_key(Small(version=2), **PRETRAIN) != base
    assert pretrain_key(Small(inner=Inner(rate=0.2)), **PRETRAIN) != base


def test_a_recipe_that_trains_nothing_has_a_key_of_what_its_weights_are_drawn_from():
    def key(*overrides, **changes):
        recipe = profiles.load("paper", overrides).recipe("random-init")
        return pretrain_key(recipe, **{**PRETRAIN, **changes})

    assert key("pretrain.train.epochs=3", "pretrain.optim.lr=9", "pretrain.views.size=32") == key()
    assert key(data="c" * 64, device="cuda") == key()
    others = [key("pretrain.model.backbone=resnet18"), key("pretrain.train.threads=1"), key("random-init.version=9")]
    others.append(key("random-init.model.zero_residuals=true"))
    assert len({key(), key(seed=1), key(profile="mini"), *others}) == 7


def test_what_a_pretraining_rests_on_changes_its_key_by_role():
    resting = [pretrain_key(Small(), **PRETRAIN, parents={role: "a" * 64}) for role in ("proposals", "weights")]
    assert pretrain_key(Small(), **PRETRAIN, parents={}) == pretrain_key(Small(), **PRETRAIN)
    assert len({pretrain_key(Small(), **PRETRAIN), *resting}) == 3


@pytest.mark.parametrize(
    ("name", "value"), [("seed", 1), ("data", "c" * 64), ("device", "cuda"), ("parents", {"weights": "c" * 64})]
)
def test_what_decides_shared_work_changes_its_key(name, value):
    work = {"seed": 0, "data": "d" * 64, "device": "cpu", "parents": {}}
    base = prepare_key(Small(), **work)
    assert prepare_key(Small(), **{**work, name: value}) != base
    assert prepare_key(Small(version=2), **work) != base
    assert prepare_key(Small(workers=8), **work) == base


def test_a_name_is_readable_and_ends_in_the_key():
    assert directory_name("voc_detection", "byol", "r3", key="0123456789abcdef") == "voc_detection.byol.r3-0123456789"


if __name__ == "__main__":
    FROZEN.write_text(json.dumps(small_keys(), indent=1) + "\n")
    FROZEN_SETTINGS.write_text(json.dumps(settings_keys(), indent=1) + "\n")
