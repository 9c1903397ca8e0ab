"""How long ``harness table`` takes on a store of many records, step by step.

Table 7 with as many pre-trainings of each recipe; 66 make 10,032 fine-tunings. Every run has a record as the worker
writes it, with invented numbers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.base import Options, Section, say, seconds
from benchmarks.keys import elsewhere
from harness import plan as planning
from harness import records, status, tabulate
from harness.plan import Plan
from harness.store import Store
from results.table import Table

PRETRAININGS = 66


def measure(options: Options) -> Section:
    """Planning, reading, aggregating, rendering."""
    section = options.begin("table", "`harness table` on a large store", ("step", "records", "seconds"))
    with elsewhere():
        count = 1 if options.size == "toy" else PRETRAININGS
        request = planning.Request(tables=("7",), pretrainings=count, store=Path("runs"))
        store, plan = Store(request.store), planning.build(request)
        say(f"table: writing {len(plan.jobs)} records")
        fill(store, plan)
        looks = status.survey(store, plan.jobs)
        tables = tabulate.filled(plan, store, looks)
        works = {
            "plan": lambda: planning.build(request),
            "read (status.survey)": lambda: status.survey(store, plan.jobs),
            "aggregate (tabulate.filled)": lambda: tabulate.filled(plan, store, looks),
            "render as text": lambda: rendered(tables),
        }
        for name, work in works.items():
            took = seconds(work, min(options.repeats, 3))
            section.rows.append({"step": name, "records": len(plan.jobs), "seconds": took})
    return section


def fill(store: Store, plan: Plan) -> None:
    """A record for every job."""
    numbers = random.Random(0)
    for place, job in enumerate(plan.jobs):
        names = plan.profile.task(job.task).metrics if job.task else ()
        metrics = {name: numbers.random() for name in names}
        written = {name: value for name, value in job.to_json().items() if name != "schema"}
        record = {
            "schema": records.SCHEMA, "status": "done", **written, "metrics": metrics,
            "curve": f"{place:064x}", "outputs": {}, "timings": {"seconds": 1.0}, "host": {"cpu": "x"},
            "device": "cpu, 1 thread", "versions": {"torch": "2"}, "code": {}, "error": None,
        }  # fmt: skip
        store.directory(job).mkdir(parents=True, exist_ok=True)
        (store.directory(job) / "record.json").write_text(json.dumps(record))


def rendered(tables: Sequence[Table]) -> list[str]:
    """The printed words."""
    from results.render import FORMATS

    return [FORMATS["text"](table) for table in tables]
