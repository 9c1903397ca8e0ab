"""Which rows the tables of a plan have: their own, those asked for, and those of weights that were evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ground.config import suggest
from ground.errors import ConfigError
from harness import profiles
from harness.imports import GROUP
from harness.jobs import Job
from harness.profiles import Profile

if TYPE_CHECKING:
    from harness.plan import Request
    from results.layout import Layout, Row


def tables(names: Sequence[str]) -> tuple[Layout, ...]:
    """The tables of these names.

    Raises:
        ConfigError: there is no such table.
    """
    from results import layout

    return tuple(layout.load(name) for name in names)


def of_tasks(layouts: Sequence[Layout], names: Sequence[str]) -> tuple[Layout, ...]:
    """``layouts`` with the columns of these tasks, all if none is named; one left without a column is left out."""
    if not names:
        return tuple(layouts)
    own = [(each, tuple(column for column in each.columns if column.task in names)) for each in layouts]
    return tuple(each.model_copy(update={"columns": columns}) for each, columns in own if columns)


def alone(request: Request, profile: Profile) -> Layout:
    """A table of nothing but the request's weights, with all metrics of its tasks."""
    from results.layout import Column, Layout, Row

    name = request.weights.recipe if request.weights and request.weights.recipe else ""
    columns = tuple(
        Column(task=task, metric=metric, label=metric, group=task)
        for task in request.tasks
        for metric in profile.task(task).metrics
    )
    return Layout(name=name, title=f"{name}, {GROUP}", columns=columns, rows=(Row(label=name, recipe=name),))


def added(
    layouts: tuple[Layout, ...],
    request: Request,
    profile: Profile,
    brought: Mapping[str, Job],
    evaluated: Mapping[str, Sequence[str]],
) -> tuple[Layout, ...]:
    """``layouts`` with the rows asked for: one more for what none has; with ``--only`` no others.

    Args:
        brought: name → import of somebody's weights.
        evaluated: of these, name → tasks for which a row comes unasked.

    Raises:
        ConfigError: neither a recipe nor weights in the store have such a name.
    """
    listed, known = {recipe for each in layouts for recipe in each.recipes}, [*profiles.recipe_names(), *brought]
    names = [name for name in dict.fromkeys((*request.added, *request.recipes)) if name not in listed]
    for name in names:
        if name not in known:
            raise ConfigError(f"recipe `{name}`", "unknown", suggest(name, known))
    unasked = [name for name in evaluated if name not in names and name not in listed]
    new = _rows([*names, *unasked], layouts, profile, brought)
    kept = {*request.recipes, *request.added} if request.recipes else {*listed, *names}
    return tuple(
        each.model_copy(update={"rows": tuple(
            row for row in (*each.rows, *new)
            if row.recipe in kept or set(evaluated.get(row.recipe, ())) & set(each.tasks)
        )})
        for each in layouts
    )  # fmt: skip


def _rows(
    names: Sequence[str], layouts: Sequence[Layout], profile: Profile, brought: Mapping[str, Job]
) -> tuple[Row, ...]:
    from results.layout import Row

    labels = {row.label for each in layouts for row in each.rows}
    titles = {name: name if name in brought else profile.recipe(name).title or name for name in names}
    # What has the title of another row would pass for it.
    apart = {name: GROUP if name in brought else name for name in names}
    shown = {name: title if title not in labels else f"{title} ({apart[name]})" for name, title in titles.items()}
    groups = {name: GROUP if name in brought else "added" for name in names}
    return tuple(Row(label=shown[name], recipe=name, group=groups[name]) for name in names)
