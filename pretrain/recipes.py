"""Recipes by name: one YAML each in ``recipes/``, or a third party's (see ``ground.catalog``)."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from ground import catalog
from ground.config import Settings, merge, validate
from pretrain.config import AnyBranch, PretrainConfig

HOME = Path(__file__).parent / "recipes"
EVERY = "*"


def names() -> list[str]:
    """Every recipe, sorted."""
    return sorted(catalog.catalog("recipes", HOME))


def resolve(name: str, overrides: Settings) -> PretrainConfig:
    """A recipe with ``overrides`` (a profile's, the command line's) laid over it.

    ``model.branches."*"`` in the overrides is laid over every branch of the recipe, less the fields a branch has not:
    so a profile shrinks heads and queues of recipes it has never heard of. Named branches come after it.

    Raises:
        ConfigError: unknown recipe, unknown field, bad value, or settings that contradict each other.
    """
    settings = catalog.read("recipes", HOME, name)
    model = overrides.get("model", {})
    branches = dict(model.get("branches", {})) if isinstance(model, dict) else {}
    every = branches.pop(EVERY, {})
    for branch, own in settings["model"]["branches"].items():
        if own is not None:
            settings = merge(settings, {"model": {"branches": {branch: _that_fit(every, own)}}})
    if every:
        overrides = {**overrides, "model": {**model, "branches": branches}}
    return validate(PretrainConfig, {**merge(settings, overrides), "recipe": name}, f"recipe `{name}`")


def _that_fit(every: Settings, branch: Settings) -> Settings:
    """The fields of ``every`` that this kind of branch has and the recipe has not switched off by ``null``."""
    fields = set(every)
    for kind in get_args(get_args(AnyBranch)[0]):
        if branch.get("kind") in get_args(kind.model_fields["kind"].annotation):
            fields = set(kind.model_fields)
    return {field: value for field, value in every.items() if field in fields and branch.get(field, True) is not None}
