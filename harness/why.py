"""``harness why "table1/PixCon-SR/AP"``: from a cell of a table to everything that it rests on."""

from __future__ import annotations

import difflib
import json
from argparse import Namespace
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ground.config import suggest
from ground.errors import ConfigError
from harness import aging, commands, profiles, status, tabulate, trace, why_text
from harness import plan as planning
from harness.store import Store
from results.labels import distinct

if TYPE_CHECKING:
    from results.layout import Column, Layout, Row
    from results.statistics.contrasts import Difference
    from results.statistics.estimates import Interval
    from results.table import Cell, Table


@dataclass(frozen=True)
class Address:
    """A cell's place."""

    layout: Layout
    row: Row
    column: Column

    def __str__(self) -> str:
        """One that leads back here, and to no other cell."""
        return f"{self.layout.name}/{distinct(self.layout.rows)[self.row.recipe]}/{_words(self.column)}"


def show_why(options: Namespace) -> int:
    """Print what a cell rests on; with ``--verify`` read it all again and leave with 1 if something differs.

    Raises:
        ConfigError: there is no such cell, naming the nearest.
    """
    from results import layout

    name, row, column = _parts(options.cell)
    if (f"table{name}" if name.isdigit() else name) not in layout.names():
        raise ConfigError(f"why {options.cell}", f"no table `{name}`", suggest(name, layout.names()))
    options.tables = [name]
    wanted = commands.request(options)
    plan, store = planning.build(wanted), Store(wanted.store)
    looks = status.survey(store, plan.jobs)
    place = locate(plan.layouts[0], row, column, options.cell)
    table = tabulate.filled(plan, store, looks)[0]
    cell = _cell(table.lines, place)
    runs, behind = trace.steps(plan, store, plan.jobs_of(place.row.recipe, place.column.task), looks)
    older = status.older(store, [step.job for step in (*behind, *runs)], looks)
    marks = [f"stale: {line}" for lines in older.values() for line in lines]
    marks += [f"older code: {line}" for line in aging.lines((step.job, step.look) for step in (*behind, *runs))]
    faults = list(trace.faults([*behind, *runs])) if options.verify else None
    heading = {"cell": str(place), "profile": plan.label, "data": plan.source.words, "remarks": plan.remarks}
    heading["judgement"] = _judgement(table, place) if cell.n else _copies(cell)
    if options.json:
        told = heading | _numbers(place, cell) | {
            "runs": [step.told() for step in runs],
            "behind": [step.told() for step in behind],
            "marks": marks,
            "faults": faults,
        }  # fmt: skip
        print(json.dumps(told, indent=1))
    else:
        lines = why_text.cell(cell, place.column, place.layout.decimals, heading)
        lines += (
            why_text.runs(runs, place.column.metric, place.layout.decimals)
            if runs
            else [_why_none(place, cell, plan.recipes)]
        )
        lines += [line for step in reversed(behind) for line in ("", *why_text.behind(step))]
        lines += why_text.settings([*runs[:1], *reversed(behind)]) if options.settings else []
        lines += ["", *marks] if marks else []
        if faults is not None:
            lines += ["", *([f"differs: {line}" for line in faults] or [why_text.verified([*runs, *behind])])]
        print("\n".join(lines))
    return int(bool(faults))


def _parts(address: str) -> tuple[str, str, str]:
    parts = [part.strip() for part in address.split("/", 2)]
    if len(parts) != 3 or not all(parts):
        remedy = 'Write table/row/column, e.g. "table1/PixCon-SR/AP".'
        raise ConfigError(f"why {address}", "does not name a cell", remedy)
    return parts[0], parts[1], parts[2]


def locate(layout: Layout, row: str, column: str, address: str) -> Address:
    """The cell of a table by a row's label or recipe, and a column's label, or task and metric.

    Raises:
        ConfigError: there is none, or several rows or columns have this label.
    """
    labels = distinct(layout.rows)
    # As its recipe is written, a row is that one, however alike another's label is: `pixcon-sr` beside `PixCon-SR`.
    rows = [each for each in layout.rows if row == each.recipe]
    rows = rows or [each for each in layout.rows if _same(row, each.label, each.recipe, labels[each.recipe])]
    columns = [each for each in layout.columns if _same(column, *_names(each))]
    if not rows:
        names = [name for each in layout.rows for name in (each.label, each.recipe)]
        raise ConfigError(f"why {address}", f"{layout.name} has no row `{row}`", _nearest(row, names))
    if not columns:
        names = [name for each in layout.columns for name in _names(each)]
        raise ConfigError(f"why {address}", f"{layout.name} has no column `{column}`", _nearest(column, names))
    if len(rows) > 1:
        several = ", ".join(f"`{each.recipe}`" for each in rows)
        raise ConfigError(f"why {address}", f"{len(rows)} rows are called `{row}`", f"Say which: {several}.")
    if len(columns) > 1:
        several = ", ".join(f"`{_words(each)}`" for each in columns)
        raise ConfigError(f"why {address}", f"{len(columns)} columns are called `{column}`", f"Say which: {several}.")
    return Address(layout, rows[0], columns[0])


def _names(column: Column) -> tuple[str, ...]:
    return (column.label, _words(column), f"{column.task} {column.metric}", f"{column.task}/{column.metric}")


def _words(column: Column) -> str:
    """What tells a column from all others."""
    return f"{column.group} {column.label}" if column.group else column.label


def _same(asked: str, *names: str) -> bool:
    return asked.casefold() in {name.casefold() for name in names}


def _nearest(wrong: str, names: Sequence[str]) -> str:
    """A remedy that minds no upper or lower case."""
    by_case = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(wrong.casefold(), list(by_case), n=1, cutoff=0.5)
    return f"Did you mean `{by_case[near[0]]}`?" if near else suggest(wrong, list(dict.fromkeys(names)))


def _cell(lines: Sequence[Any], place: Address) -> Cell:
    line = next(line for line in lines if line.row.recipe == place.row.recipe)
    cell: Cell = line.cells[place.layout.columns.index(place.column)]
    return cell


def _numbers(place: Address, cell: Cell) -> dict[str, Any]:
    return {
        "task": place.column.task, "metric": place.column.metric, "recipe": place.row.recipe,
        "mean": cell.mean, "std": cell.std, "n": cell.n, "expected": cell.expected, "state": cell.state,
        "published": cell.published.model_dump(mode="json") if cell.published else None,
    }  # fmt: skip


def _judgement(table: Table, place: Address) -> list[str]:
    """What the statistics say of a cell: whether it is told from the baseline, and the verdict against the paper."""
    from results.judgement import judge
    from results.render.grid import difference, verdict

    judged = judge(table).judgement
    if judged is None:
        return []
    column, recipe = judged.columns[place.layout.columns.index(place.column)], place.row.recipe
    interval = column.statistics.intervals.get(recipe)
    lines = [f"mean: 95 % {_interval(interval, table.decimals)}"] if interval else []
    if recipe in column.differences:
        baseline = next(line.row.label for line in table.lines if line.row.recipe == judged.baseline)
        of = column.differences[recipe]
        lines.append(f"less {baseline}: {difference(column, recipe, table.decimals)}, {of.state}{_contrast(of, table)}")
    against = verdict(column, recipe)
    kind = "published value" if judged.kind == "values" else "published difference"
    return lines + ([f"verdict on the {kind}: {against}"] if against not in {"", "not run"} else [])


def _contrast(of: Difference, table: Table) -> str:
    """Interval, effect size and P(A > B) of a difference, as far as there are any."""
    words = [f"95 % {_interval(of.interval, table.decimals)}"] if of.interval else []
    if of.effect:
        words.append(f"Hedges g {of.effect.g:.2f} {_interval(of.effect.interval, 2)}")
    return "".join(f"; {each}" for each in (*words, f"P(better) {of.superiority:.2f}"))


def _interval(of: Interval, decimals: int) -> str:
    return f"[{of.low:.{decimals}f}, {of.high:.{decimals}f}]"


def _copies(cell: Cell) -> list[str]:
    """Why repeats count for nothing: which are copies of each other."""
    from results.runs import duplicates

    return [words for lines in duplicates(cell.runs).values() for words in lines]


def _why_none(place: Address, cell: Cell, recipes: Collection[str]) -> str:
    """Why there is no run to speak of."""
    if place.row.recipe not in recipes:
        return f"no run: there is no recipe `{place.row.recipe}`"
    if place.column.task not in profiles.task_names():
        return f"no run: there is no task `{place.column.task}`"
    return f"no run: {cell.state}"
