"""How long a table takes from its run records: read, aggregate, render. Prints one JSON object.

    python benchmarks/rendering.py [--records 10000]

Seconds of processor time of this process, median of three; importing pandas is counted apart. A table of as many
methods as the records fill, of two tasks with three and six metrics.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from results.layout import Column, Layout, Row
from results.render import FORMATS
from results.table import Run, Table, build

METRICS = {
    "voc_detection": ("AP", "AP50", "AP75"),
    "coco_detection": ("box_AP", "box_AP50", "box_AP75", "mask_AP", "mask_AP50", "mask_AP75"),
}
REPEATS = 5
ROUNDS = 3


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    count = parser.parse_args().records
    before = time.process_time()
    import pandas  # noqa: F401

    imports = time.process_time() - before
    with tempfile.TemporaryDirectory() as folder:
        layout, paths = write(Path(folder), count)
        times: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            runs = timed(times, "read", lambda: [read(path) for path in paths])
            table = timed(times, "aggregate", lambda runs=runs: fill(layout, runs))
            for name in FORMATS:
                timed(times, f"render {name}", lambda name=name, table=table: FORMATS[name](table))
    seconds = {name: round(median(each), 3) for name, each in times.items()}
    whole = seconds["aggregate"] + seconds["render text"]
    machine = {"processor": processor(), "python": platform.python_version(), "torch": "torch" in sys.modules}
    print(json.dumps({
        "records": len(paths), "cells": len(table.lines) * len(table.columns), "import pandas": round(imports, 3),
        "seconds": seconds, "aggregate and print": round(whole, 3), "per record read, microseconds":
        round(1e6 * seconds["read"] / len(paths), 1), "machine": machine,
    }, indent=1))  # fmt: skip


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
    fixed = {"state": "done", "path": str(path), "profile": "smoke", "data": "scenes", "tool": "torchvision"}
    names = ("recipe", "task", "run", "seed", "key", "metrics", "versions")
    return Run(**fixed, **{name: record[name] for name in names}, curve=record["key"])


def fill(layout: Layout, runs: list[Run]) -> Table:
    """The whole table."""
    known = {"known_recipes": set(layout.recipes), "known_tasks": set(METRICS)}
    expected = dict.fromkeys(METRICS, REPEATS)
    return build(layout, runs, expected=expected, profile="smoke", data="scenes", **known)


def timed(times, name, work):
    """What ``work`` returns; its processor time is kept under ``name``."""
    before = time.process_time()
    result = work()
    times.setdefault(name, []).append(time.process_time() - before)
    return result


def processor() -> str:
    """The processor's model, where the machine says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
