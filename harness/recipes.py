"""What ``harness recipes`` prints: all recipes in one table, or one with its settings and published numbers."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

import yaml

from ground.errors import ConfigError
from harness import profiles
from results import layout
from results.layout import Layout, Row
from results.published import Published

HEADINGS = ("recipe", "rows", "tables", "data", "source", "passes", "cost")
LEGEND = """
rows, tables: where the paper's tables have the recipe; (in brackets: its title, where they do not).
source: whence the settings come. The head of its YAML says it in full; docs/deviations.md says what differs.
passes: student + teacher, of a 224-pixel image for each image. cost: in forward passes, a student's counting three."""


def show_recipes(options: Namespace) -> int:
    """Every recipe in a table; with ``show NAME`` one, whole.

    Raises:
        ConfigError: ``show`` without a name, an unknown recipe, or settings that do not fit.
    """
    if options.action:
        return _show(options)
    profile = profiles.load(options.profile, options.overrides)
    lines = [HEADINGS, *(_line(profile, name) for name in profiles.recipe_names())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())
    print(LEGEND)
    return 0


def _line(profile: profiles.Profile, name: str) -> tuple[str, ...]:
    from pretrain.cost import passes

    config, stands = profile.recipe(name), layout.rows(name)
    labels = "; ".join(dict.fromkeys(row.label for _, row in stands)) or f"({config.title})"
    tables = " ".join(table.name.removeprefix("table") for table, _ in stands) or "-"
    cost = passes(config)
    each = f"{cost.student:.3g} + {cost.teacher:.3g}"
    before = sorted({recipe for work in config.inputs.values() for recipe in work.pretrained.values()})
    after = f" after {', '.join(before)}" if before else ""
    return name, labels, tables, config.data, config.source or "-", each, f"{cost.forwards:.3g}{after}"


def _show(options: Namespace) -> int:
    """The resolved settings as YAML, and below them, as comments, the published numbers of the recipe's rows."""
    if not options.name:
        raise ConfigError("recipes show", "names no recipe", "Write e.g. harness recipes show pixcon-sr")
    config = profiles.load(options.profile, options.overrides).recipe(options.name)
    print(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, width=120), end="")
    for table, row in layout.rows(options.name):
        print(f"\n# Table {table.name.removeprefix('table')}, {row.label}: {table.title}")
        for line in _published(table, row):
            print(f"#   {line}")
    return 0


def _published(table: Layout, row: Row) -> Iterator[str]:
    """One line for each task: its published numbers, their runs and who measured them."""
    cells = [cell for column in table.columns if (cell := layout.reference(table, row, column))]
    for task in dict.fromkeys(cell.task for cell in cells):
        found = [cell for cell in cells if cell.task == task]
        runs = f"{found[0].runs} runs, " if found[0].runs else ""
        yield f"{task}: {', '.join(_number(cell, table.decimals) for cell in found)} ({runs}{found[0].source})"
    if not cells:
        yield "the paper has no such row"


def _number(cell: Published, decimals: int) -> str:
    if cell.mean is None:
        return f"{cell.metric} —"
    return f"{cell.metric} {cell.mean:.{decimals}f}" + (f" ± {cell.std:.{decimals}f}" if cell.std is not None else "")
