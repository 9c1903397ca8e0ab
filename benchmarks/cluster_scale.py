"""What a plan of 100,000 jobs costs the harness: made, compared with store and queue, handed over, shown.

The queue is a stand-in that writes every submission down and keeps all its tasks waiting. Each size has a process of
its own, so that the peak of its memory is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.base import Options, Section, Spread, say
from benchmarks.keys import elsewhere
from benchmarks.table import fill
from harness import forecast, status
from harness import plan as planning
from harness.cluster import outlook
from harness.cluster.driver import Driver
from harness.cluster.survey import Survey
from harness.estimate import Estimates
from harness.plan import Plan
from harness.store import Store
from slurm import submit, tokens
from slurm.cluster import Cluster
from slurm.origin import Origin
from slurm.requests import Entry, Queue, Request, Submission, Task

JOBS_OF_A_SEED = 164
"""Of Table 7: pre-trainings and fine-tunings of each seed of the pre-trainings."""
SIZES = {"toy": (1,), "full": (61, 183, 610)}
"""Seeds; 610 are 100,042 jobs."""
LIMIT = 1001
"""Tasks of an array, Slurm's default."""
STEPS = (
    "plan", "look, nothing there", "submit all", "look, all queued", "status", "look, half done", "forecast",
)  # fmt: skip
CLUSTER = Cluster(description="a stand-in", gpus_per_node=8, gpus=512)


class StandIn:
    """A queue in which everything waits (``harness.cluster.backend.Backend``)."""

    def __init__(self) -> None:
        self.done: set[str] = set()
        self._number = 0

    def check(self, cluster: Cluster, requests: Mapping[Request, str]) -> None:
        """Takes anything."""

    def origin(self) -> Origin:
        """Nobody's."""
        return Origin("", 0)

    def limit(self, cluster: Cluster) -> int:
        """As ``Backend``."""
        return LIMIT

    def known(self, home: Path) -> list[Submission]:
        """As Slurm's."""
        return submit.known(home)

    def look(self, cluster: Cluster, submissions: Sequence[Submission]) -> Queue:
        """All that is not done waits."""
        return Queue(
            True,
            tuple(
                Entry(each.token, index, each.id_of(index), "pending", "PENDING", "Priority")
                for each in submissions
                for index, task in enumerate(each.tasks)
                if task.name not in self.done
            ),
        )

    def starts(self, cluster: Cluster, submission: Submission) -> dict[tuple[int, int], str]:
        """No start was lost."""
        return {}

    def settle(self, home: Path, submissions: Sequence[Submission], seen: Queue) -> list[Submission]:
        """Nothing is ever lost."""
        return []

    def submit(
        self,
        home: Path,
        cluster: Cluster,
        request: Request,
        tasks: Sequence[Task],
        after: Sequence[str],
        *,
        function: str,
        environment: Mapping[str, str | None],
    ) -> Submission:
        """Write it down as `slurm.submit` does; call nobody."""
        made = tokens.new(request, tuple(tasks), tuple(after), time.time())
        folder = tokens.write(home, made, tokens.Call(function, dict(environment)))
        self._number += 1
        return replace(made, job_id=tokens.decide(folder, str(self._number)))

    def cancel(self, ids: Sequence[str]) -> None:
        """Nothing is."""


def measure(options: Options) -> Section:
    """Seconds of each step, and the peak of memory, by size."""
    section = options.begin("cluster_scale", "A large plan on a cluster", ("jobs", *STEPS, "peak MiB"))
    section.notes += [
        "Seconds of processor time of one process, once each; `look` reads every folder, record and submission anew, "
        "`submit all` writes a job.json for every job and a folder for every array.",
        "`status` is the matrix, the counts and the time to go; `forecast` what `harness plan --cluster` reckons.",
    ]
    for seeds in SIZES[options.size]:
        say(f"cluster_scale: {seeds * JOBS_OF_A_SEED} jobs")
        command = [sys.executable, "-m", "benchmarks.cluster_scale", str(seeds)]
        home = Path(__file__).parents[1]  # the folder that a caller went to knows nothing of us
        found = json.loads(subprocess.run(command, cwd=home, check=True, stdout=subprocess.PIPE, text=True).stdout)
        section.rows.append({
            name: Spread((value,)) if name in STEPS else value for name, value in found.items()
        })  # fmt: skip
    return section


def measured(seeds: int) -> dict[str, Any]:
    """Of a plan with so many pre-trainings of each recipe, in an empty folder."""
    took: dict[str, Any] = {}
    with elsewhere():
        request = planning.Request(
            tables=("7",), pretrainings=seeds, store=Path("runs"), gpus=frozenset({"pretrain", "transfer"})
        )
        planning.build(planning.Request(tables=("7",)))  # imports and YAML files are everybody's
        plan = timed(took, "plan", lambda: planning.build(request))
        store, backend, estimates = Store(request.store), StandIn(), Estimates(plan.profile.seconds)
        driver = Driver(store, plan.jobs, CLUSTER, backend, estimates)
        timed(took, "look, nothing there", driver.look)
        timed(took, "submit all", lambda: driver.make() and None)
        survey = timed(took, "look, all queued", driver.look)
        timed(took, "status", lambda: shown(plan, store, survey, estimates))
        half = plan.jobs[: len(plan.jobs) // 2]
        fill(store, replace(plan, jobs=half))
        backend.done = {f"{job.kind}/{job.name}" for job in half}
        looks = timed(took, "look, half done", driver.look).looks
        timed(took, "forecast", lambda: reckoned(plan, looks, estimates))
    return {"jobs": len(plan.jobs), **took, "peak MiB": round(peak())}


def peak() -> float:
    """MiB that this process had at most. What getrusage says may be of the process that started it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def shown(plan: Plan, store: Store, survey: Survey, estimates: Estimates) -> list[str]:
    """What `harness status` prints."""
    matrices = [status.matrix(plan, layout, store, survey.looks) for layout in plan.layouts]
    return [*matrices, outlook.line(survey, store, CLUSTER, estimates)]


def reckoned(plan: Plan, looks: Mapping[str, Any], estimates: Estimates) -> object:
    """What `harness plan --cluster` is made of."""
    found = forecast.build(plan, looks, estimates.seconds, CLUSTER, None)
    return found.parts, found.whole


def timed(took: dict[str, Any], name: str, work: Callable[[], Any]) -> Any:
    """What ``work`` returns."""
    before = time.process_time()
    result = work()
    took[name] = round(time.process_time() - before, 4)
    return result


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]))))
