"""What an unpickler made of a file's containers, as plain ones: a file can also set attributes of a mapping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_DEEPEST = 100
"""Containers within containers; checkpoints have a dozen."""


def plain(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Dictionaries, lists and tuples as plain dictionaries and lists, ``leaf`` of everything else.

    What lies in several places stays one object, so a small file cannot ask for endless copies; so does a container
    that lies within itself.

    Raises:
        ValueError: they are nested more than a hundred deep.
    """
    return _plain(value, leaf, {}, 0)


def _plain(value: Any, leaf: Callable[[Any], Any], made: dict[int, Any], depth: int) -> Any:
    if id(value) in made:
        return made[id(value)]
    if not isinstance(value, dict | list | tuple):
        made[id(value)] = leaf(value)
        return made[id(value)]
    if depth > _DEEPEST:
        raise ValueError(f"containers nested more than {_DEEPEST} deep")
    if isinstance(value, dict):
        mapping: dict[Any, Any] = {}
        made[id(value)] = mapping
        for key, each in dict.items(value):
            mapping[key] = _plain(each, leaf, made, depth + 1)
        return mapping
    items: list[Any] = []
    made[id(value)] = items
    items.extend(_plain(each, leaf, made, depth + 1) for each in value)
    return items
