"""``harness plan --cluster NAME``: the forecast in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness import status
from harness.cluster import needs, outlook
from harness.columns import aligned
from harness.estimate import Estimates, duration, trains_nothing
from harness.forecast import Forecast, build
from harness.jobs import Job
from harness.plan import Plan
from harness.speed import Speed
from harness.store import Look, Store
from slurm.cluster import Cluster


@dataclass(frozen=True)
class Asked:
    """What the command line says of the cluster."""

    name: str
    cluster: Cluster
    gpus: int | None
    """At once; None for what the profile says."""
    begin: datetime | None
    """When the first job starts; None for now."""


def show(asked: Asked, plan: Plan, store: Store, looks: Mapping[str, Look], estimates: Estimates, speed: Speed) -> None:
    """Print what is left of a plan, how long it takes and when it ends.

    Args:
        estimates: of one process of each job.

    Raises:
        ConfigError: a job takes more than there is at once.
    """

    def seconds(job: Job) -> float:
        ahead = store.progress(job).get("left") if looks[job.name].state == "running" else None
        if ahead is not None:
            return float(ahead)
        return estimates.seconds(job) / speed.times(job, needs.processes(job, asked.cluster))

    forecast = build(plan, looks, seconds, asked.cluster, asked.gpus)
    begin = asked.begin or datetime.now()
    room = forecast.room
    print(f"cluster: {asked.name} ({asked.cluster.description}); {room.words} at once ({room.source})\n")
    if not plan.jobs:
        return
    for block in (_work(forecast, estimates, asked.cluster), _tables(forecast, begin), _end(forecast, begin)):
        print("\n".join(block), end="\n\n")
    late = outlook.too_long(forecast.seconds, forecast.left, asked.cluster)
    print("\n".join([*_basis(forecast, estimates), *_split(forecast, asked.cluster, speed), *late]))


def _work(forecast: Forecast, estimates: Estimates, cluster: Cluster) -> list[str]:
    """A line for each sort of work."""
    sorts: dict[str, list[Job]] = {}
    for job in forecast.plan.jobs:
        sorts.setdefault(job.task or " ".join(job.family), []).append(job)
    rows: list[tuple[str, ...]] = [
        ("work", "jobs", "done", "left", f"{forecast.room.plural} each", "each", "hours", "by")
    ]
    for title, jobs in sorts.items():
        left = [job for job in jobs if job.name in forecast.seconds]
        done = sum(forecast.looks[job.name].state == "done" for job in jobs)
        spans = sorted(forecast.seconds[job.name] for job in left) or [0.0]
        each = " to ".join(dict.fromkeys(duration(span) for span in (spans[0], spans[-1]))) if left else ""
        units = max((forecast.units[job.name] for job in left), default="")
        limited = sum(forecast.seconds[job.name] > needs.resources(cluster, job.kind).hours * 3600 for job in left)
        more = f"; {limited} of them go on after their time limit" if limited else ""
        by = estimates.basis(left) + more if left else ""
        rows.append(
            (title, *map(str, (len(jobs), done, len(left), units)), each, _hours(forecast.unit_hours(left)), by)
        )
    return aligned(rows)


def _tables(forecast: Forecast, begin: datetime) -> list[str]:
    """A line for each table, and one for all."""
    unit = forecast.room.unit
    rows = [("", "jobs", "left", f"{unit}-hours", "alone", "with all, ends")]
    several = len(forecast.parts) > 1
    for part in [*forecast.parts, *([forecast.whole] if several else [])]:
        end = _date(begin + timedelta(seconds=part.end)) if part.left else "finished"
        rows.append((part.title, str(part.jobs), str(part.left), _hours(part.unit_hours), duration(part.alone), end))
    return aligned(rows)


def _end(forecast: Forecast, begin: datetime) -> list[str]:
    whole = forecast.whole
    if not whole.left:
        return [f"{whole.jobs} jobs: {status.counts(forecast.looks.values())}; nothing to run"]
    end = _date(begin + timedelta(seconds=whole.end))
    bound = (
        f"no schedule takes less than {duration(whole.at_least)}: the longest chain of jobs, or all work spread evenly"
    )
    return [
        f"from {_date(begin)} with {forecast.room.words} at once: {duration(whole.end)}, finished {end}",
        f"({bound}; time in the queue behind others is not counted)",
    ]


def _basis(forecast: Forecast, estimates: Estimates) -> list[str]:
    """How much of the hours rests on measurements."""
    telling = [job for job in forecast.left if not trains_nothing(job)]
    measured = [job for job in telling if estimates.measured(job)]
    if not telling:
        return []
    known, whole = _hours(forecast.unit_hours(measured)), _hours(forecast.unit_hours(telling))
    if len(measured) == len(telling):
        return ["every length is measured, by finished runs of this store"]
    guessed = dict.fromkeys(job.task or " ".join(job.family) for job in telling if not estimates.measured(job))
    rest = f"guessed by the profile (`seconds`): {', '.join(guessed)}"
    return [f"{known} of {whole} {forecast.room.unit}-hours rest on finished runs of this store; {rest}"]


def _split(forecast: Forecast, cluster: Cluster, speed: Speed) -> list[str]:
    """What pre-trainings on several GPUs make of them."""
    split = {(job.recipe, needs.processes(job, cluster)): job for job in forecast.left if job.kind == "pretrain"}
    shares: dict[int, list[float]] = {}
    for (_, number), job in split.items():
        if number > 1 and job.device_class == "cuda" and not trains_nothing(job):
            shares.setdefault(number, []).append(speed.times(job, number) / number)
    lines = []
    for number, found in shares.items():
        words = " to ".join(dict.fromkeys(f"{share:.0%}" for share in (min(found), max(found))))
        lines.append(f"a pre-training makes {words} of its {number} GPUs, by simulation (docs/performance.md)")
    return [*lines, *(f"    one GPU's step: {source}" for source in speed.basis())]


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}" if hours >= 1 else f"{hours:.2g}"


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
