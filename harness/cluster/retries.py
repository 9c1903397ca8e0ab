"""What comes next for a job: nothing, waiting, another start, or giving it up. Decided anew each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.cluster import failures, needs
from harness.cluster.journal import Ending
from harness.estimate import duration
from harness.jobs import Job
from harness.store import Look, State
from slurm.cluster import Cluster

Action = Literal["none", "wait", "submit", "give up"]
MAX_HOURS = "`max_hours` of the cluster profile; unless it says so, four time limits"
GOES_ON = frozenset({"preempted", "timeout"})
"""Endings that are nobody's fault."""


@dataclass(frozen=True)
class Step:
    """What happens next, and why."""

    action: Action
    words: str = ""


@dataclass(frozen=True)
class Case:
    """What is known of a job."""

    job: Job
    look: Look
    live: bool
    """Whether a task of it is, or may be, in the queue."""
    reachable: bool
    """Whether Slurm answered."""
    counted: Sequence[Ending]
    """How its starts ended since it was last pardoned, the oldest first."""
    hours: float
    """At work over all attempts since it was last pardoned."""
    withdrawn: bool
    """Whether it was cancelled on purpose."""
    blocked_by: Job | None
    """What it waits for and will not get."""
    refused: str = ""
    """Why Slurm does not take it; empty if it was not asked or did."""

    @property
    def failures(self) -> list[Ending]:
        """Starts that ended badly, whoever is to blame."""
        return [each for each in self.counted if each.outcome not in failures.NO_FAILURES]

    def failed_as(self, outcome: str) -> int:
        """How many of them are of a class, since the job last came further than ever before: one that does is no lost
        cause. Out of memory, each start has more than the one before, so all of them count."""
        kept: list[Ending] = []
        furthest = 0
        for each in self.counted:
            if each.step > furthest and outcome != "memory":
                furthest, kept = each.step, []
            kept.append(each)
        return sum(each.outcome == outcome for each in kept)


def decide(case: Case, cluster: Cluster) -> Step:
    """The next step of a job."""
    if case.look.state == "done":
        return Step("none")
    over = _over(case, cluster)
    if over is not None and case.look.state != "failed":
        return over
    if case.blocked_by is not None:
        return Step("give up" if case.live else "none", f"waits for {case.blocked_by.title}, which failed")
    if case.look.state == "running":
        return Step("wait", "at work")
    if case.live:
        return Step("wait", "in the queue" if case.reachable else "Slurm does not answer")
    verdict = _verdict(case, cluster)
    if verdict.action == "submit" and not case.reachable:
        return Step("wait", "Slurm does not answer")
    return over if over is not None and verdict.action == "submit" else verdict


def _over(case: Case, cluster: Cluster) -> Step | None:
    """Giving up a job that was at work for as long as one may be."""
    most = needs.most_hours(case.job.kind, cluster)
    if case.hours <= most:
        return None
    words = f"{duration(case.hours * 3600)} of work, and {duration(most * 3600)} is the most ({MAX_HOURS})"
    return Step("give up", f"given up: {words}")


def _verdict(case: Case, cluster: Cluster) -> Step:
    """Of a job that nobody has."""
    if case.withdrawn:
        return Step("none", "cancelled; it is submitted by the next harness run")
    if case.refused:
        words = "given up, for Slurm does not take it (the next harness run asks again)"
        return Step("give up", f"{words}: {case.refused}")
    if case.look.state == "failed":
        kind, words = failures.classify(failures.Evidence(error=case.look.error_kind, message=case.look.message))
        if kind == "code" and case.failures and case.failures[-1].outcome == "memory":  # Slurm knows better
            kind, words = "memory", case.failures[-1].words
    elif case.failures:
        kind, words = case.failures[-1].outcome, case.failures[-1].words
    else:
        return Step("submit", "to be submitted")
    limit: int | None = getattr(cluster.retries, kind)
    times = case.failed_as(kind)
    if limit is not None and (times > limit or limit == 0):
        often = f"given up after {times} times {kind} (`retries.{kind}`: {limit}): " if limit else ""
        return Step("give up", f"{often}{words}")
    if kind == "memory" and times and needs.has_all_memory(case.job, cluster, memory_failures=times - 1):
        most = f"asked for all the memory of a node (`memory_per_node`: {cluster.memory_per_node})"
        return Step("give up", f"given up, for it {most}: {words}")
    return Step("submit", f"{_changed(kind)}, for it ended as {kind}: {words}")


def _changed(kind: str) -> str:
    """What is different about the next start."""
    return {"memory": "starts again, with more memory", "node": "starts again, on another node"}.get(
        kind, "starts again"
    )


def state(case: Case, step: Step, *, requeued: bool) -> State:
    """A job's state in a word; ``requeued``: Slurm itself put it off."""
    look = case.look.state
    if look in {"done", "running"}:
        return look
    if case.blocked_by is not None:
        return "blocked"
    if step.action == "give up":
        return "failed"
    if requeued or (case.failures and case.failures[-1].outcome in GOES_ON):
        return "preempted"
    if case.live:
        return "queued"
    return "interrupted" if look == "failed" else look
