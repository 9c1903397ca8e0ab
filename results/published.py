"""The paper's own numbers: Tables 1-7 of the supplement of "Revisiting Pixel-Level Contrastive Pre-Training on
Scene Images", one line of ``published.csv`` per printed cell."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from ground.config import Strict, suggest, validate
from ground.errors import ConfigError, DataError

HOME = Path(__file__).parent / "published.csv"

Key = tuple[int, str, str, str, str]
"""(table, row, pre-training data, task, metric)."""


class Published(Strict):
    """One printed cell. AP and mIoU are in percent, as printed; ``mean`` is None where the paper prints a dash."""

    table: int = Field(ge=1, le=7)
    row: str
    pretrain_data: Literal["COCO", "COCO+"]
    task: str
    metric: str
    mean: float | None
    std: float | None
    """Standard deviation over ``runs``; Tables 4-7 print none. The paper does not say whether by n or n - 1."""
    runs: int | None
    source: Literal["measured", "official weights", "cited"]
    """Whether the authors pre-trained and measured, measured released weights, or copied the number."""
    mark: Literal["bold", "underline"] | None

    @model_validator(mode="after")
    def _std_has_its_mean(self) -> Self:
        if self.std is not None and (self.mean is None or self.runs is None):
            raise ValueError("a std needs its mean and its number of runs")
        return self

    @property
    def key(self) -> Key:
        """What names the cell."""
        return (self.table, self.row, self.pretrain_data, self.task, self.metric)


@cache
def load(path: Path = HOME) -> tuple[Published, ...]:
    """Every printed cell, in the order of the file.

    Raises:
        ConfigError: a line that is not a cell, with its number.
        DataError: two lines for one cell.
    """
    cells: dict[Key, Published] = {}
    with open(path, encoding="utf-8", newline="") as file:
        for number, line in enumerate(csv.DictReader(file), start=2):
            settings = {field: value or None for field, value in line.items()}
            cell = validate(Published, settings, f"{path} (line {number})")
            if cell.key in cells:
                raise DataError(f"{path} (line {number})", f"a second line for {_words(cell.key)}", "Delete one.")
            cells[cell.key] = cell
    return tuple(cells.values())


@cache
def _index() -> dict[Key, Published]:
    return {cell.key: cell for cell in load()}


def find(table: int, row: str, pretrain_data: str, task: str, metric: str) -> Published:
    """The printed cell of these five names.

    Raises:
        ConfigError: the paper has none; names the first part that does not exist and what there is instead.
    """
    wanted = (table, row, pretrain_data, task, metric)
    if wanted in _index():
        return _index()[wanted]
    parts = ("table", "row", "pre-training data", "task", "metric")
    left = list(_index())
    for position, (part, value) in enumerate(zip(parts, wanted, strict=True)):
        there = sorted({str(key[position]) for key in left})
        left = [key for key in left if key[position] == value]
        if not left:
            raise ConfigError(f"published {_words(wanted)}", f"no such {part} `{value}`", suggest(str(value), there))
    raise AssertionError("every part of a missing key exists")


def _words(key: Key) -> str:
    table, *names = key
    return f"Table {table} / " + " / ".join(names)
