"""Strict settings: YAML in, a frozen pydantic model out, one clear line when they do not fit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ground.errors import ConfigError
from ground.faults import Contradiction as Contradiction
from ground.faults import explain
from ground.faults import suggest as suggest

Settings = dict[str, Any]
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
Model = TypeVar("Model", bound="Strict")


class Strict(BaseModel):
    """Base of every settings class: unknown fields are refused, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def not_identity(default: Any, **keywords: Any) -> Any:
    """A field that cannot change a result, declared so beside it: it is left out of keys."""
    return Field(default, json_schema_extra={"identity": False}, **keywords)


def later(before: Any, *, now: Any = None, **keywords: Any) -> Any:
    """A field that came after keys were given out: while it says what held ``before``, it is left out of them, so that
    no run there is loses its key. That is its default, unless another is given by ``now``; an identity without the
    field then is not what it gives when it is read as settings."""
    extra: dict[str, Any] = {"identity": "unless as before"}
    if now is not None:
        extra["before"] = before
    return Field(before if now is None else now, json_schema_extra=extra, **keywords)


def identity(model: BaseModel) -> Settings:
    """The settings that decide a result: the model as plain JSON data, less what is declared to be no part of it."""
    return {name: _plain(getattr(model, name)) for name in type(model).model_fields if _counts(model, name)}


def _counts(model: BaseModel, name: str) -> bool:
    """Whether a field is part of the identity: see ``not_identity`` and ``later``."""
    field = type(model).model_fields[name]
    declared = field.json_schema_extra
    rule = declared.get("identity", True) if isinstance(declared, dict) else True
    if rule == "unless as before":
        assert isinstance(declared, dict)
        before = declared.get("before", field.get_default(call_default_factory=True))
        return bool(_plain(getattr(model, name)) != _plain(before))
    return bool(rule)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return identity(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def digest(value: Any) -> str:
    """SHA-256 (hex) of JSON-able data; equal data give equal digests on every machine."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON-able data as text, equal for equal data."""
    return _CANONICAL.encode(value)


def merge(base: Settings, override: Settings) -> Settings:
    """``base`` with ``override`` laid over it: mappings merge field by field, all else is replaced.

    A mapping that names another ``kind`` replaces the old one whole: fields of the old kind mean nothing in it.
    """
    if "kind" in base and override.get("kind", base["kind"]) != base["kind"]:
        return dict(override)
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def read_yaml(path: Path) -> Settings:
    """The mapping in a YAML file.

    Raises:
        ConfigError: the file is missing, is not YAML (with the line), says a field twice, is not a mapping, or holds a
            date or the like.
    """
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        twice = _said_twice(node, set())
        loaded = loader.construct_document(node) if node is not None else None
    except FileNotFoundError:
        raise ConfigError(path, "no such file", "Check the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise ConfigError(path, f"not valid YAML{line}", "Mend the syntax there.") from None
    if twice is not None:
        problem = f"`{twice.value}` is there twice (line {twice.start_mark.line + 1})"
        raise ConfigError(path, problem, "Keep one: the first would be lost.")
    if not isinstance(loaded, dict):
        raise ConfigError(path, "holds no mapping of settings", "Write `field: value` lines.")
    check_plain(loaded, path)
    return loaded


def _said_twice(node: yaml.Node | None, seen: set[int]) -> yaml.ScalarNode | None:
    """The first name that a mapping in ``node`` has for the second time; YAML itself would keep the last."""
    if node is None or id(node) in seen:  # an alias
        return None
    seen.add(id(node))
    names: set[str] = set()
    for item in node.value if isinstance(node, yaml.CollectionNode) else ():
        name, inner = item if isinstance(node, yaml.MappingNode) else (None, item)
        if isinstance(name, yaml.ScalarNode):
            if name.value in names:
                return name
            names.add(name.value)
        if twice := _said_twice(inner, seen):
            return twice
    return None


def check_plain(value: Any, where: object) -> None:
    """YAML also has dates and more: settings are numbers, words, lists and mappings with names.

    Raises:
        ConfigError: ``value`` is something else.
    """
    odd = _odd(value)
    if odd is not None:
        raise ConfigError(where, f"`{odd}` is no number, word, list or mapping of names", "Put it in quotes.")


def _odd(value: Any) -> str | None:
    """The first part of ``value`` that JSON does not have."""
    if isinstance(value, dict):
        inside = [repr(key) if not isinstance(key, str) else _odd(item) for key, item in value.items()]
    elif isinstance(value, list):
        inside = [_odd(item) for item in value]
    else:
        return None if value is None or isinstance(value, str | int | float) else repr(value)
    return next((odd for odd in inside if odd is not None), None)


def validate(model: type[Model], settings: Settings, where: object) -> Model:
    """Settings as a ``model``.

    Raises:
        ConfigError: naming ``where``, the field's path, what is allowed, and the nearest field on a typo.
    """
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problem, remedy = explain(model, settings, details[0])
        more = f" ({len(details) - 1} more)" if len(details) > 1 else ""
        raise ConfigError(where, problem + more, remedy) from None
