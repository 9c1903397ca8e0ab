"""Why settings do not fit, in the user's words: the field's path, what is allowed, and the nearest name on a typo."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails


class Contradiction(ValueError):
    """Raised by a settings class's validator: what does not go together, naming the fields, and what would."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def explain(model: type[BaseModel], settings: dict[str, Any], detail: ErrorDetails) -> tuple[str, str]:
    """The problem and the remedy of one of pydantic's errors.

    Args:
        model: the class that ``settings`` were to become.
        settings: as the user wrote them.
        detail: pydantic's error.
    """
    path, location = _written(settings, detail["loc"]), detail["loc"]
    if detail["type"] == "extra_forbidden":
        return f"unknown field `{path}`", suggest(str(location[-1]), _fields(_models_at(model, location[:-1])))
    if detail["type"] == "missing":
        return f"field `{_below(path, location[-1])}` is missing", "Add it."
    context = detail.get("ctx", {})
    if "discriminator" in context:
        name = context["discriminator"].strip("'")
        return _which(_below(path, name), context.get("tag"), _tags(_models_at(model, location), name))
    message = detail["msg"].removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], dict) else f" = {detail['input']!r}"
    remedy = getattr(context.get("error"), "remedy", "Correct the value.")
    return f"field `{path}`{value}: {message}" if path else message, remedy


def suggest(wrong: str, allowed: list[str]) -> str:
    """A remedy for a misspelt name: the nearest allowed one, or all of them."""
    near = difflib.get_close_matches(wrong, allowed, n=1)
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"Choose from: {', '.join(allowed)}."


def _which(field: str, tag: str | None, allowed: list[str]) -> tuple[str, str]:
    """``field`` says which of several classes is meant, and names none of them."""
    if tag is None:
        return f"field `{field}` is missing", f"Choose from: {', '.join(allowed)}."
    near = difflib.get_close_matches(tag, allowed, n=1)
    remedy = f"Did you mean `{near[0]}`?" if near else "Choose one of them."
    return f"field `{field}` = {tag!r}: allowed are {', '.join(allowed)}", remedy


def _below(path: str, part: str | int) -> str:
    return f"{path}.{part}" if path else str(part)


def _written(settings: Any, location: tuple[str | int, ...]) -> str:
    """``location`` as the user wrote it: pydantic also names the member of a union, which no file holds."""
    path = ""
    for part in location:
        in_list = isinstance(settings, list) and isinstance(part, int) and part < len(settings)
        if in_list or (isinstance(settings, dict) and part in settings):
            path, settings = _below(path, part), settings[part]
    return path


def _models_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """The class nested at ``location``; all members of a union, unless ``location`` has the tag of one."""
    candidates = [model]
    for part in location:
        nested = [
            m for c in candidates if part in c.model_fields for m in _models_in(c.model_fields[str(part)].annotation)
        ]
        candidates = nested or [c for c in candidates if _has_tag(c, part)] or candidates
    return candidates


def _has_tag(model: type[BaseModel], tag: str | int) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in getattr(annotation, "__args__", ()) for m in _models_in(argument)]


def _fields(models: list[type[BaseModel]]) -> list[str]:
    return sorted({name for model in models for name in model.model_fields})


def _tags(models: list[type[BaseModel]], name: str) -> list[str]:
    """The values by which field ``name`` tells ``models`` apart, in their order."""
    kinds = [model.model_fields[name].annotation for model in models if name in model.model_fields]
    return list(dict.fromkeys(str(tag) for kind in kinds for tag in get_args(kind)))
