"""How long a table takes from its run records: read, aggregate, render.

A table of as many methods as the records fill, of two tasks with three and six metrics. No torch is needed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.base import Options, Section, seconds
from results.layout import Column, Layout, Row
from results.render import FORMATS
from results.table import Run, Table, build

METRICS = {
    "voc_detection": ("AP", "AP50", "AP75"),
    "coco_detection": ("box_AP", "box_AP50", "box_AP75", "mask_AP", "mask_AP50", "mask_AP75"),
}
REPEATS = 5
"""Fine-tunings behind a cell."""


def measure(options: Options) -> Section:
    """Reading, aggregating and each format, on 10,000 records."""
    section = options.begin("rendering", "A table from its run records", ("step", "count", "seconds"))
    with tempfile.TemporaryDirectory() as folder:
        layout, paths = write(Path(folder), 100 if options.size == "toy" else 10_000)
        runs = [read(path) for path in paths]
        table = fill(layout, runs)
        cells = len(table.lines) * len(table.columns)
        works: list[tuple[str, int, Callable[[], object]]] = [
            ("read records", len(paths), lambda: [read(path) for path in paths]),
            ("aggregate", cells, lambda: fill(layout, runs)),
            *((f"render as {name}", cells, lambda render=render: render(table)) for name, render in FORMATS.items()),
        ]
        for name, count, work in works:
            section.rows.append({"step": name, "count": count, "seconds": seconds(work, options.repeats)})
    return section


def write(folder: Path, count: int) -> tuple[Layout, list[Path]]:
    """Records as the run store holds them, and a table that shows all."""
    methods = [f"method-{index}" for index in range(max(count // (REPEATS * len(METRICS)), 1))]
    columns = tuple(
        Column(task=task, metric=metric, label=metric) for task, names in METRICS.items() for metric in names
    )
    rows = tuple(Row(label=name, recipe=name) for name in methods)
    paths = []
    for place, method in enumerate(methods):
        for task, names in METRICS.items():
            for run in range(REPEATS):
                path = folder / f"{task}.{method}.r{run}.json"
                numbers = {metric: 40 + place / 100 + run / 7 + at for at, metric in enumerate(names)}
                key = f"{place:032x}{run:031x}{len(names)}"
                path.write_text(json.dumps({
                    "recipe": method, "task": task, "run": run, "seed": run, "key": key, "metrics": numbers,
                    "config": {f"setting{index}": index for index in range(60)}, "versions": {"torch": "2.12.1"},
                }))  # fmt: skip
                paths.append(path)
    return Layout(name="bench", title="A large table", columns=columns, rows=rows), paths


def read(path: Path) -> Run:
    """A record as the table wants it."""
    record = json.loads(path.read_text())
    fixed: dict[str, Any] = {
        "state": "done",
        "path": str(path),
        "profile": "smoke",
        "data": "scenes",
        "tool": "torchvision",
    }
    names = ("recipe", "task", "run", "seed", "key", "metrics", "versions")
    return Run(**fixed, **{name: record[name] for name in names}, curve=record["key"])


def fill(layout: Layout, runs: list[Run]) -> Table:
    """The whole table."""
    known: dict[str, Any] = {"known_recipes": set(layout.recipes), "known_tasks": set(METRICS)}
    expected = dict.fromkeys(METRICS, REPEATS)
    return build(layout, runs, expected=expected, profile="smoke", data="scenes", **known)
