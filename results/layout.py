"""What a table shows: its rows, its columns and where the published value of each cell stands.

One YAML file in ``results/tables/`` is one table; a third-party package adds its own through the entry-point
group ``harness.tables``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, PositiveInt, model_validator

from ground import catalog
from ground.config import Strict, validate
from ground.errors import ConfigError
from results import published

HOME = Path(__file__).parent / "tables"


class Column(Strict):
    """One metric of one task."""

    task: str
    metric: str
    label: str
    group: str = ""
    """Heading over neighbouring columns that share it."""


class Row(Strict):
    """One recipe."""

    label: str
    recipe: str
    published: str | None = None
    """The row's name in ``published.csv``; None where the paper has no such row."""
    pretrain_data: str = ""
    """The pre-training data's name in ``published.csv``."""
    group: str = ""
    """Rows of different groups are set apart by a rule."""


class Layout(Strict):
    """One table."""

    name: str
    title: str
    published_table: PositiveInt | None = None
    """The paper's table that holds the values beside ours."""
    decimals: int = Field(default=2, ge=0, le=6)
    deviations: bool = True
    """Whether cells show ± unless the reader says."""
    baseline: str | None = None
    """Recipe that the others are compared with unless the reader says; the first row if None."""
    columns: tuple[Column, ...] = Field(min_length=1)
    rows: tuple[Row, ...] = Field(min_length=1)
    notes: tuple[str, ...] = ()

    @property
    def recipes(self) -> tuple[str, ...]:
        """Recipes of the rows, in order."""
        return tuple(row.recipe for row in self.rows)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of the columns, in order, each once."""
        return tuple(dict.fromkeys(column.task for column in self.columns))

    @model_validator(mode="after")
    def _everything_once(self) -> Self:
        columns = [f"{column.task} {column.metric}" for column in self.columns]
        for what, names in (("recipe", self.recipes), ("column", columns)):
            twice = sorted({name for name in names if list(names).count(name) > 1})
            if twice:
                raise ValueError(f"{what} `{twice[0]}` appears twice")
        return self

    @model_validator(mode="after")
    def _baseline_is_a_row(self) -> Self:
        if self.baseline is not None and self.baseline not in self.recipes:
            raise ValueError(f"baseline `{self.baseline}` is no row")
        return self

    @model_validator(mode="after")
    def _published_rows_have_a_table(self) -> Self:
        for row in self.rows:
            if row.published is not None and self.published_table is None:
                raise ValueError(f"row `{row.label}` has a published value but the layout has no `published_table`")
        return self


def names() -> list[str]:
    """Names of all tables, sorted."""
    return sorted(catalog.catalog("tables", HOME))


def load(name: str) -> Layout:
    """The table of this name; ``"1"`` is short for ``"table1"``.

    Raises:
        ConfigError: no such table, a field that does not fit, or a published cell that the paper does not have.
    """
    name = f"table{name}" if name.isdigit() else name
    path = catalog.find("tables", HOME, name)
    settings = catalog.read("tables", HOME, name)
    if "name" in settings:
        raise ConfigError(path, "unknown field `name`", "A table is named by its file; delete the field.")
    layout = validate(Layout, {**settings, "name": name}, path)
    for row in layout.rows:
        for column in layout.columns:
            try:
                reference(layout, row, column)
            except ConfigError as error:
                raise ConfigError(path, f"{error.where}: {error.problem}", error.remedy) from None
    return layout


@cache
def _stands() -> dict[str, list[tuple[Layout, Row]]]:
    """Recipe → its rows in all tables."""
    found: dict[str, list[tuple[Layout, Row]]] = {}
    for table in map(load, names()):
        for row in table.rows:
            found.setdefault(row.recipe, []).append((table, row))
    return found


def rows(recipe: str) -> list[tuple[Layout, Row]]:
    """Where a recipe stands: (table, row), in the tables' order."""
    return _stands().get(recipe, [])


def reference(layout: Layout, row: Row, column: Column) -> published.Published | None:
    """The published cell beside ours; None for a row that the paper does not have.

    Raises:
        ConfigError: the row claims a published cell that does not exist.
    """
    if row.published is None or layout.published_table is None:
        return None
    return published.find(layout.published_table, row.published, row.pretrain_data, column.task, column.metric)
