"""Tasks by name: one YAML each in ``tasks/`` beside this file, or in a third-party package. Light: imports no torch."""

from __future__ import annotations

from pathlib import Path

from ground.catalog import catalog, read
from ground.config import Settings, merge, suggest, validate
from ground.errors import ConfigError
from transfer.config import TaskConfig
from transfer.detection_config import DetectionTask
from transfer.segmentation_config import SegmentationTask

HOME = Path(__file__).parent / "tasks"
KINDS: dict[str, type[TaskConfig]] = {"detection": DetectionTask, "segmentation": SegmentationTask}


def names() -> list[str]:
    """Every task there is, sorted."""
    return sorted(catalog("tasks", HOME))


def resolve(name: str, overrides: Settings) -> TaskConfig:
    """The settings of task ``name`` with a profile's ``overrides`` laid over them.

    Raises:
        ConfigError: no such task, or a setting that does not exist or cannot be used.
    """
    return parse(merge({"name": name, **read("tasks", HOME, name)}, overrides), f"task `{name}`")


def parse(settings: Settings, where: object) -> TaskConfig:
    """Resolved settings, as a job carries them, as the class of their kind.

    Raises:
        ConfigError: they are not a task's; names ``where``.
    """
    kind = settings.get("kind")
    if kind not in KINDS:
        raise ConfigError(where, f"field `kind` = {kind!r}: no such kind of task", suggest(str(kind), sorted(KINDS)))
    return validate(KINDS[kind], settings, where)
