"""How long ``harness table`` takes on a store of many records, step by step. Prints one JSON object.

    python benchmarks/table_command.py [--seeds 66]

Table 7 with as many pre-trainings of each recipe; 66 make 10,032 fine-tunings. Every run has a record as the worker
writes it, with invented numbers. Seconds of processor time of this process, each step once; imports come with the step
that needs them first.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from harness import plan as planning
from harness import records, status, tabulate
from harness.store import Store


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=66)
    seeds = parser.parse_args().seeds
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        request = planning.Request(tables=("7",), pretrainings=seeds, store=Path("runs"))
        store = Store(request.store)
        fill(store, planning.build(request))
        seconds: dict[str, float] = {}
        plan = timed(seconds, "plan", lambda: planning.build(request))
        looks = timed(seconds, "read (Store.look)", lambda: status.survey(store, plan.jobs))
        tables = timed(seconds, "aggregate (tabulate.filled)", lambda: tabulate.filled(plan, store, looks))
        timed(seconds, "render", lambda: rendered(tables))
        os.chdir("/")
    fine = sum(job.kind == "transfer" for job in plan.jobs)
    print(
        json.dumps(
            {"records": len(plan.jobs), "fine-tunings": fine, "seconds": seconds, "torch": "torch" in sys.modules}
        )
    )


def fill(store, plan):
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
        store.directory(job).mkdir(parents=True)
        (store.directory(job) / "record.json").write_text(json.dumps(record))


def rendered(tables):
    """The printed words."""
    from results.render import FORMATS

    return [FORMATS["text"](table) for table in tables]


def timed(seconds, name, work):
    """What ``work`` returns; its processor time is kept under ``name``."""
    before = time.process_time()
    result = work()
    seconds[name] = round(time.process_time() - before, 2)
    return result


if __name__ == "__main__":
    main()
