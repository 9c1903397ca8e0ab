"""Recipes by name: one YAML each in ``recipes/``, or a third party's (see ``ground.catalog``)."""

from __future__ import annotations

from pathlib import Path

from ground import catalog
from ground.config import Settings, merge, validate
from pretrain.config import PretrainConfig

HOME = Path(__file__).parent / "recipes"


def names() -> list[str]:
    """Every recipe, sorted."""
    return sorted(catalog.catalog("recipes", HOME))


def resolve(name: str, overrides: Settings) -> PretrainConfig:
    """A recipe with ``overrides`` (a profile's, the command line's) laid over it.

    Raises:
        ConfigError: unknown recipe, unknown field, bad value, or settings that contradict each other.
    """
    settings = merge(catalog.read("recipes", HOME, name), overrides)
    return validate(PretrainConfig, {**settings, "recipe": name}, f"recipe `{name}`")
