"""Profiles: a scale, as settings laid over recipes and tasks; and ``--set``, which lays more over them.

Order, later wins: the recipe's own YAML, the profile's ``pretrain`` (for every recipe), its ``recipes.<name>``.
Tasks likewise: own YAML, ``transfer``, ``tasks.<name>``. ``--set`` changes the profile before any of this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, NonNegativeFloat, PositiveInt

from ground import catalog
from ground.config import Settings, Strict, check_plain, merge, read_yaml, suggest, validate
from ground.errors import ConfigError

if TYPE_CHECKING:
    from pretrain.config import PretrainConfig
    from transfer.config import TaskConfig
    from transfer.scenes.spec import SceneSpec

HOME = Path(__file__).parent / "profiles"
SECTIONS = ("pretrain", "recipes", "scenes", "tasks", "transfer")


class Seconds(Strict):
    """How long one job is believed to take before any was measured."""

    pretrain: NonNegativeFloat
    transfer: NonNegativeFloat
    prepare: NonNegativeFloat = 60.0
    tasks: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Of a fine-tuning, by task; ``transfer`` for all others."""


class Profile(Strict):
    """One scale."""

    name: str
    """Of a profile that is the user's own file, the file's name: it never passes for one of ours."""
    description: str
    scenes: Settings | None = None
    """Fields of the generated scenes; without them the profile needs ``--data``."""
    pretrain: Settings = Field(default_factory=dict)
    """Laid over every recipe."""
    recipes: dict[str, Settings] = Field(default_factory=dict)
    transfer: Settings = Field(default_factory=dict)
    """Laid over every task."""
    tasks: dict[str, Settings] = Field(default_factory=dict)
    workers: PositiveInt | None = None
    """Jobs at once; as many as the machine has room for unless said."""
    seconds: Seconds
    overrides: tuple[str, ...] = ()
    """The ``--set`` options in it."""
    outweighed: dict[str, dict[str, str]] = Field(default_factory=dict)
    """``--set`` option for all recipes or tasks → those that it does not reach, with the value of their own."""

    @property
    def changes(self) -> str:
        """The overrides in one line; empty if there are none."""
        return f"overrides: {', '.join(self.overrides)}" if self.overrides else ""

    def recipe(self, name: str) -> PretrainConfig:
        """A recipe at this scale.

        Raises:
            ConfigError: unknown recipe or a setting that does not fit it.
        """
        from pretrain import recipes

        return recipes.resolve(name, merge(self.pretrain, self.recipes.get(name, {})))

    def task(self, name: str) -> TaskConfig:
        """A task at this scale.

        Raises:
            ConfigError: unknown task or a setting that does not fit it.
        """
        from transfer import tasks

        return tasks.resolve(name, merge(self.transfer, self.tasks.get(name, {})))

    def scene_spec(self) -> SceneSpec:
        """What scenes to generate.

        Raises:
            ConfigError: the profile has none, or a field does not fit.
        """
        from transfer.scenes.spec import SceneSpec

        if self.scenes is None:
            remedy = "Give the folder of the data sets: --data ROOT (make: DATA=ROOT)."
            raise ConfigError("--data", f"profile `{self.name}` does not run on generated scenes", remedy)
        return validate(SceneSpec, self.scenes, f"profile `{self.name}`, scenes")


def names() -> list[str]:
    """Every profile, sorted."""
    return sorted(catalog.catalog("profiles", HOME))


def load(name: str, overrides: Sequence[str] = ()) -> Profile:
    """A profile by name or by the path of a YAML file, with ``--set`` options laid over it.

    Raises:
        ConfigError: no such profile, recipe or task; an unknown field; an option that is no ``path=value``.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        settings, where = read_yaml(path), str(path)
        base = catalog.extended(settings, path)
        settings = merge(catalog.read("profiles", HOME, base), settings) if base is not None else settings
        name = path.name
    else:
        settings, where = catalog.read("profiles", HOME, name), f"profile `{name}`"
    plain = settings
    for option in overrides:
        settings = merge(settings, _override(option))
    own = {"name": name, "overrides": tuple(overrides), "outweighed": _outweighed(plain, settings, overrides)}
    profile = validate(Profile, {**settings, **own}, where)
    tasks = task_names()
    for section, names, known in (
        ("recipes", profile.recipes, recipe_names()),
        ("tasks", profile.tasks, tasks),
        ("seconds.tasks", profile.seconds.tasks, tasks),
    ):
        for wrong in sorted(set(names) - set(known)):
            raise ConfigError(where, f"`{section}.{wrong}` does not exist", suggest(wrong, known))
    return profile


def _outweighed(plain: Settings, settings: Settings, overrides: Sequence[str]) -> dict[str, dict[str, str]]:
    """Options for all recipes or tasks that lose against what the profile itself says of one."""
    found: dict[str, dict[str, str]] = {}
    for option in overrides:
        section, *path = option.partition("=")[0].strip().split(".")
        of_one = {"pretrain": "recipes", "transfer": "tasks"}.get(section, "")
        owners = plain.get(of_one) or {}
        for name in owners if isinstance(owners, dict) else ():
            held, wanted = _at(owners[name], path), _at(settings[section], path)
            if held is not None and held != wanted and held == _at(settings[of_one][name], path):
                found.setdefault(option, {})[name] = str(held)
    return found


def _at(settings: Any, path: Sequence[str]) -> Any:
    """What stands below ``path``; None for nothing."""
    for part in path:
        settings = settings.get(part) if isinstance(settings, dict) else None
    return settings


def recipe_names() -> list[str]:
    """Every recipe, sorted."""
    from pretrain import recipes

    return recipes.names()


def task_names() -> list[str]:
    """Every task, sorted."""
    from transfer import tasks

    return tasks.names()


def _override(option: str) -> Settings:
    """``voc_detection.schedule.iterations=50`` as settings of a profile."""
    path, equals, text = option.partition("=")
    parts = path.strip().split(".")
    where = f"--set {option}"
    if re.search(r",\s*[\w-]+(\.[\w-]+)*\s*=", text):
        raise ConfigError(where, "holds several settings", "Write one --set for each.")
    if not equals or not all(parts) or len(parts) < 2:
        raise ConfigError(where, "is not of the form SECTION.FIELD=VALUE", "Write e.g. --set pretrain.train.epochs=2")
    if parts[0] in recipe_names():
        parts.insert(0, "recipes")
    elif parts[0] in task_names():
        parts.insert(0, "tasks")
    elif parts[0] not in SECTIONS:
        known = sorted({*SECTIONS, *recipe_names(), *task_names()})
        raise ConfigError(where, f"`{parts[0]}` is no recipe, task or section of a profile", suggest(parts[0], known))
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(where, "the value is not valid YAML", "Quote it.") from None
    check_plain(value, where)
    for part in reversed(parts):
        value = {part: value}
    settings: Settings = value
    return settings
