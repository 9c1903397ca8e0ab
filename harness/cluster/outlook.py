"""How long what is left will take, and what the queue looks like, in a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from harness import status
from harness.cluster import needs
from harness.cluster.survey import Survey
from harness.estimate import Estimates, duration
from harness.jobs import Job, Kind
from harness.schedule import order, play
from harness.store import Store
from slurm.cluster import Cluster

OVER = frozenset({"done", "failed", "blocked"})


def left(survey: Survey) -> list[Job]:
    """What is neither finished nor given up."""
    return [each.job for each in survey.standings.values() if each.state not in OVER]


def seconds_to_go(survey: Survey, store: Store, cluster: Cluster, estimates: Estimates) -> float:
    """Until the last job ends, by a schedule played with as many GPUs (or processes) as the profile says that one may
    expect, else with as many as are at work now."""
    jobs = left(survey)
    units = {job.name: max(needs.processes(job, cluster), 1) for job in jobs}
    at_work = [job for job in jobs if survey.standings[job.name].state == "running"]
    room = cluster.gpus or sum(units[job.name] for job in at_work)
    takes = {job.name: estimates.seconds(job) for job in jobs}
    for job in at_work:
        ahead = store.progress(job).get("left")
        takes[job.name] = takes[job.name] if ahead is None else float(ahead)
    return max(play(order(jobs, takes), takes, max(room, *units.values(), 1), units).values(), default=0.0)


def too_long(takes: Mapping[str, float], jobs: Iterable[Job], cluster: Cluster) -> list[str]:
    """A warning for each kind of job of which some would be given up before they are done.

    Args:
        takes: seconds of each job that is left, by name.
    """
    spans: dict[Kind, list[float]] = {}
    for job in jobs:
        if takes.get(job.name, 0.0) > needs.most_hours(job.kind, cluster) * 3600:
            spans.setdefault(job.kind, []).append(takes[job.name])
    return [
        f"warning: {len(found)} of kind {kind} take up to {duration(max(found))}, and would be given up after "
        f"{duration(needs.most_hours(kind, cluster) * 3600)}: "
        f"set max_hours in the cluster profile, or raise kinds.{kind}.hours"
        for kind, found in spans.items()
    ]


def counts(survey: Survey) -> str:
    """``34 done, 2 running, 6 queued``."""
    return status.counts(each.look for each in survey.standings.values())


def queue(survey: Survey) -> str:
    """``queue: 4 RUNNING, 3 PENDING (Resources), 2 PENDING (Dependency)``; empty if nothing of ours is in it."""
    if not survey.queue.reachable:
        return f"queue: Slurm does not answer ({survey.queue.problem}); waiting, nothing is submitted or given up"
    tally: Counter[str] = Counter()
    for each in survey.queue.entries:
        if each.phase != "ended":
            tally[f"{each.state} ({each.reason})" if each.reason and each.phase == "pending" else each.state] += 1
    others = Counter(each.live.foreign for each in survey.standings.values() if each.live and each.live.foreign)
    words = [f"{number} {words}" for words, number in tally.most_common()]
    words += [f"{number} elsewhere (belong to {whose}: waited for)" for whose, number in others.items()]
    return f"queue: {', '.join(words)}" if words else ""


def line(survey: Survey, store: Store, cluster: Cluster, estimates: Estimates) -> str:
    """Counts, queue and time to go."""
    return "; ".join(part for part in (counts(survey), rest(survey, store, cluster, estimates)) if part)


def rest(survey: Survey, store: Store, cluster: Cluster, estimates: Estimates) -> str:
    """Queue and time to go; empty where nothing is left."""
    parts = [queue(survey)]
    if left(survey):
        parts.append(f"about {duration(seconds_to_go(survey, store, cluster, estimates))} to go")
    return "; ".join(part for part in parts if part)


def not_submitted(survey: Survey) -> int:
    """How many jobs are neither over nor at work nor, as far as anybody knows, in the queue."""
    wanted = [*survey.wanting("submit"), *survey.wanting("wait")]
    return sum(each.live is None and each.state != "running" for each in wanted)


def full(survey: Survey, cluster: Cluster) -> bool:
    """Whether as many jobs of ours are in the queue as the profile allows: others go when there is room."""
    return cluster.max_jobs is not None and survey.in_queue >= cluster.max_jobs


def nodes(bad: Collection[str]) -> str:
    """Which nodes are left out; empty if none."""
    return f"left out, for a job failed there: {', '.join(sorted(bad))}" if bad else ""
