"""Named YAML files (recipes, tasks, tables, profiles): ours, and those of third-party packages.

A package adds its own by an entry point in the group ``harness.<kind>`` whose value names a
package that holds ``*.yaml`` files::

    [project.entry-points."harness.recipes"]
    mylab = "mylab.recipes"
"""

from __future__ import annotations

import importlib.util
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from ground.config import Settings, merge, read_yaml, suggest
from ground.errors import ConfigError

KINDS = ("recipes", "tasks", "tables", "profiles", "clusters")


@cache
def catalog(kind: str, home: Path) -> dict[str, Path]:
    """Name → file of every ``kind`` (``recipes``, ``tasks``, …): those in ``home``, then third parties'.

    Raises:
        ConfigError: two packages offer the same name, or a file's suffix is not ``.yaml``.
    """
    folders = [home]
    for point in sorted(entry_points(group=f"harness.{kind}"), key=lambda point: point.name):
        spec = importlib.util.find_spec(point.value)
        if spec is None:
            raise ConfigError(f"entry point {point.name}", f"no package `{point.value}`", "Mend or uninstall it.")
        folders += [Path(folder) for folder in spec.submodule_search_locations or ()]
    found: dict[str, Path] = {}
    for folder in folders:
        for path in folder.glob("*.yml"):
            raise ConfigError(path, "would not be found: its name ends in .yml", f"Rename it to {path.stem}.yaml.")
        for path in sorted(folder.glob("*.yaml")):
            if path.stem in found:
                raise ConfigError(path, f"`{path.stem}` exists already as {found[path.stem]}", "Rename one.")
            found[path.stem] = path
    return found


def find(kind: str, home: Path, name: str) -> Path:
    """The file of one ``kind`` by name.

    Raises:
        ConfigError: there is none, with the nearest name.
    """
    names = catalog(kind, home)
    if name not in names:
        raise ConfigError(f"{kind} `{name}`", "unknown", suggest(name, sorted(names)))
    return names[name]


def read(kind: str, home: Path, name: str) -> Settings:
    """The settings of one ``kind`` by name; ``extends: other`` lays a file over the one it names.

    Raises:
        ConfigError: an unknown name, bad YAML, or ``extends`` that is no name or goes in a circle.
    """
    chain: list[Settings] = []
    seen: list[str] = []
    current: str | None = name
    while current is not None:
        if current in seen:
            raise ConfigError(f"{kind} `{name}`", f"circular `extends`: {' → '.join([*seen, current])}", "Break it.")
        seen.append(current)
        path = find(kind, home, current)
        settings = read_yaml(path)
        current = extended(settings, path)
        chain.append(settings)
    merged: Settings = {}
    for settings in reversed(chain):
        merged = merge(merged, settings)
    return merged


def extended(settings: Settings, where: Path) -> str | None:
    """Takes ``extends`` out of ``settings``: the name of what they are laid over, if they are.

    Raises:
        ConfigError: it is not a name.
    """
    name = settings.pop("extends", None)
    if name is not None and not isinstance(name, str):
        raise ConfigError(where, f"field `extends` = {name!r}: is not a name", "Name one that exists, or delete it.")
    return name
