"""Recipes by name: one YAML each in ``recipes/``, or a third party's (see ``ground.catalog``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from ground import catalog
from ground.config import Settings, merge, suggest, validate
from ground.errors import ConfigError
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
    where = f"recipe `{name}`"
    settings = catalog.read("recipes", HOME, name)
    overrides = merge({"model": {"branches": {}}}, overrides)
    every = _branches(overrides, where).pop(EVERY, {})
    own = _branches(settings, where)
    for branch in _branches(overrides, where):
        if branch not in own and "kind" not in (_branches(overrides, where)[branch] or {}):
            raise ConfigError(where, f"has no branch `model.branches.{branch}`", suggest(branch, sorted(own)))
    laid = {
        branch: merge(value, _that_fit(every, value, where)) if isinstance(value, dict) else value
        for branch, value in own.items()
    }
    settings = merge(merge(settings, {"model": {"branches": laid}}), overrides)
    return validate(PretrainConfig, {**settings, "recipe": name}, where)


def _branches(settings: Settings, where: str) -> dict[str, Any]:
    """The ``model.branches`` of a recipe or of overrides.

    Raises:
        ConfigError: ``model`` or its ``branches`` is no mapping, or missing.
    """
    model = settings.get("model")
    branches = model.get("branches") if isinstance(model, dict) else None
    if not isinstance(branches, dict):
        raise ConfigError(where, "`model.branches` is no mapping of branch names to settings", "Correct the value.")
    return branches


def _that_fit(every: object, branch: Settings, where: str) -> Settings:
    """The fields of ``every`` that this kind of branch has and the recipe has not switched off by ``null``.

    Raises:
        ConfigError: a field that no kind of branch has.
    """
    kinds = get_args(get_args(AnyBranch)[0])
    known = {field for kind in kinds for field in kind.model_fields}
    if not isinstance(every, dict):
        raise ConfigError(where, '`model.branches."*"` is no mapping of fields', "Correct the value.")
    for field in every:
        if field not in known:
            raise ConfigError(where, f'unknown field `model.branches."*".{field}`', suggest(field, sorted(known)))
    fields = set(every)
    for kind in kinds:
        if branch.get("kind") in get_args(kind.model_fields["kind"].annotation):
            fields = set(kind.model_fields)
    return {field: value for field, value in every.items() if field in fields and branch.get(field, True) is not None}
