"""Recipes by name: one YAML each in ``recipes/``, or a third party's (see ``ground.catalog``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ground import catalog
from ground.config import Settings, Strict, merge, suggest, validate
from ground.errors import ConfigError
from pretrain.branch_config import AnyBranch
from pretrain.config import PretrainConfig
from pretrain.inputs import AnyInput

HOME = Path(__file__).parent / "recipes"
EVERY = "*"


def names() -> list[str]:
    """Every recipe, sorted."""
    return sorted(catalog.catalog("recipes", HOME))


def resolve(name: str, overrides: Settings) -> PretrainConfig:
    """A recipe with ``overrides`` (a profile's, the command line's) laid over it.

    ``model.branches."*"`` in the overrides is laid over every branch of the recipe, less the fields a branch has not:
    so a profile shrinks heads and queues of recipes it has never heard of. Named branches come after it. ``inputs``
    likewise.

    Raises:
        ConfigError: unknown recipe, unknown field, bad value, or settings that contradict each other.
    """
    where = f"recipe `{name}`"
    settings = catalog.read("recipes", HOME, name)
    for section in (BRANCHES, INPUTS):
        settings, overrides = section.lay(settings, overrides, where)
    return validate(PretrainConfig, {**merge(settings, overrides), "recipe": name}, where)


@dataclass(frozen=True)
class Section:
    """A mapping of the recipe's own names to settings of some kind."""

    path: tuple[str, ...]
    word: str
    """What one of them is called."""
    kinds: tuple[type[Strict], ...]

    def lay(self, settings: Settings, overrides: Settings, where: str) -> tuple[Settings, Settings]:
        """A recipe's ``settings`` with the overrides' ``"*"`` laid over each of its own, and ``overrides`` without it.

        Raises:
            ConfigError: a name that the recipe has not, a field that no kind has, or no mapping where one should be.
        """
        overrides = merge(_nested(self.path, {}), overrides)
        said, own = self._in(overrides, where), self._in(settings, where)
        if EVERY in own:
            problem = f'`{self.name}."*"` stands in the recipe; it is for profiles and --set'
            raise ConfigError(where, problem, f"Say it of each {self.word}.")
        every = said.pop(EVERY, {})
        for name, value in said.items():
            if name not in own and not (isinstance(value, dict) and "kind" in value):
                remedy = suggest(name, sorted(own)) if own else "It has none."
                raise ConfigError(where, f"has no {self.word} `{self.name}.{name}`", remedy)
        self._check(every, where)
        laid = {
            name: merge(value, self._that_fit(every, value)) if isinstance(value, dict) else value
            for name, value in own.items()
        }
        return merge(settings, _nested(self.path, laid)), overrides

    @property
    def name(self) -> str:
        """As it is written in ``--set``."""
        return ".".join(self.path)

    def _in(self, settings: Settings, where: str) -> dict[str, Any]:
        """The mapping in a recipe or in overrides; empty if it is not there.

        Raises:
            ConfigError: it is no mapping.
        """
        found: Any = settings
        for part in self.path:
            found = found.get(part, {}) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise ConfigError(where, f"`{self.name}` is no mapping of names to settings", "Correct the value.")
        return found

    def _check(self, every: object, where: str) -> None:
        """Raises ``ConfigError`` unless each field of ``every`` is one of some kind."""
        if not isinstance(every, dict):
            raise ConfigError(where, f'`{self.name}."*"` is no mapping of fields', "Correct the value.")
        known = {field for kind in self.kinds for field in kind.model_fields}
        for field in every:
            if field not in known:
                raise ConfigError(where, f'unknown field `{self.name}."*".{field}`', suggest(field, sorted(known)))

    def _that_fit(self, every: Settings, value: Settings) -> Settings:
        """The fields of ``every`` that ``value``'s kind has and the recipe has not switched off by ``null``."""
        fields = set(every)
        for kind in self.kinds:
            if value.get("kind") in get_args(kind.model_fields["kind"].annotation):
                fields = set(kind.model_fields)
        return {name: item for name, item in every.items() if name in fields and value.get(name, True) is not None}


BRANCHES = Section(("model", "branches"), "branch", get_args(get_args(AnyBranch)[0]))
INPUTS = Section(("inputs",), "input", get_args(get_args(AnyInput)[0]))


def _nested(path: tuple[str, ...], value: Settings) -> Settings:
    """``value`` at ``path`` of otherwise empty settings."""
    for part in reversed(path):
        value = {part: value}
    return value
