"""Tasks by name: one YAML each in ``tasks/`` beside this file, or in a third-party package. Light: imports no torch."""

from __future__ import annotations

from pathlib import Path

from ground.catalog import catalog, read
from ground.config import Settings, merge, validate
from transfer.config import TaskConfig

HOME = Path(__file__).parent / "tasks"


def names() -> list[str]:
    """Every task there is, sorted."""
    return sorted(catalog("tasks", HOME))


def resolve(name: str, overrides: Settings) -> TaskConfig:
    """The settings of task ``name`` with a profile's ``overrides`` laid over them.

    Raises:
        ConfigError: no such task, or a setting that does not exist or cannot be used.
    """
    return validate(TaskConfig, merge({"name": name, **read("tasks", HOME, name)}, overrides), f"task `{name}`")
