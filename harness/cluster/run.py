"""``harness run --cluster NAME``: the difference is submitted, and whoever stays sees it through."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ground.errors import ConfigError, UserError
from harness import display, snapshot
from harness.cluster import going_on, keeper, needs, outlook, rerun
from harness.cluster.backend import Backend, Environment, Slurm
from harness.cluster.driver import Driver
from harness.cluster.home import Home
from harness.cluster.survey import Survey
from harness.cluster.telling import Teller, notes
from harness.estimate import Estimates, duration, learn
from harness.plan import Plan
from harness.reconcile import signals
from harness.speed import Speed
from harness.store import Store
from slurm import cluster as clusters
from slurm import tokens
from slurm.cluster import Cluster
from slurm.commands import Unavailable
from slurm.requests import Request

PAUSE_SECONDS = 0.2


def bring(
    build: Callable[[], Plan], options: Namespace, cluster: Cluster, backend: Backend | None = None
) -> tuple[Plan, int]:
    """Bring a plan to its end on a cluster, or only on its way there (``--detach``); the plan and the exit code.

    Raises:
        ConfigError: no Slurm here, or it does not take such jobs.
        StorageError: the store is full or read-only; nothing was submitted.
    """
    began, backend, store = time.time(), backend or Slurm(), Store(Path(options.store))
    plan = build()
    if not plan.jobs or options.rerun == "never":
        driver = Driver(store, plan.jobs, cluster, backend, Estimates(plan.profile.seconds), since=began)
        return plan, summary(plan, driver, driver.look(), options)
    try:
        backend.check(cluster, _requests(plan, options, cluster))
    except Unavailable as error:  # it will be waited for
        print(error, file=sys.stderr)
    Home(store).try_writing()
    if not plan.generated:
        with display.reporter(f"generate {plan.source.root}") as report:
            plan.source.generate(report)
        plan = build()
    # Once: what is submitted anew in the night is not what somebody is editing then.
    environment = cache(lambda: _code(store))
    driver = Driver(store, plan.jobs, cluster, backend, Estimates(plan.profile.seconds), environment, began)
    learn(driver.estimates, store, plan.jobs)
    Home(store).remember(options.cluster, cluster)
    for line in rerun.apply(driver, options.rerun):
        print(line, file=sys.stderr)
    for line in _too_long(plan, store, cluster):
        print(line, file=sys.stderr)
    if options.detach:
        return plan, detach(plan, driver, options)
    survey, number = follow(driver)
    return plan, summary(plan, driver, survey, options, number)


def _too_long(plan: Plan, store: Store, cluster: Cluster) -> list[str]:
    """Warnings about jobs that would be given up before they are done."""
    looks, speed = {job.name: look for job, look in store.looks(plan.jobs)}, Speed(plan.profile, cluster)
    estimates = speed.estimates(store, looks, plan.jobs)
    takes = {
        job.name: estimates.seconds(job) / speed.times(job, needs.processes(job, cluster))
        for job in plan.jobs
        if looks[job.name].state != "done" and estimates.seconds(job) > needs.most_hours(job.kind, cluster) * 3600
    }
    return outlook.too_long(takes, plan.jobs, cluster)


def _requests(plan: Plan, options: Namespace, cluster: Cluster) -> dict[Request, str]:
    """What will be asked of Slurm, each with what for and the place in the profile that says so."""
    source, found = clusters.source(options.cluster), dict[Request, str]()
    for job in plan.jobs:
        found.setdefault(needs.request(job, cluster), f"{job.kind} ({source}, kinds.{job.kind})")
    if options.detach and cluster.keeper:
        found.setdefault(keeper.request(cluster), f"the keeper ({source}, keeper)")
    return found


def _code(store: Store) -> Environment:
    """Where jobs find the code as it is now. Copies that nothing runs from any more go."""
    told = (tokens.read(folder) for folder in tokens.folders(Home(store).submissions))
    snapshot.sweep(store.root, [each[1].environment.get("PYTHONPATH") or "" for each in told if each is not None])
    return snapshot.take(store.root).environment()


def follow(driver: Driver) -> tuple[Survey, int]:
    """Make passes until everything is done, failed or blocked, or SIGINT or SIGTERM comes; the last survey, the signal.

    Jobs stay in the queue whatever ends this.
    """
    teller = Teller(driver)
    with signals() as received:
        driver.asked_to_stop = lambda: bool(received)
        while True:
            done = driver.make()
            teller.told(done)
            if received or done.settled:
                return done.survey, received[0] if received else 0
            deadline = time.monotonic() + driver.cluster.poll_seconds
            while time.monotonic() < deadline and not received:
                time.sleep(PAUSE_SECONDS)


def detach(plan: Plan, driver: Driver, options: Namespace) -> int:
    """One pass; what becomes of the rest is said."""
    done = driver.make()
    for line in notes(done, driver.cluster):
        print(line, file=sys.stderr)
    kept = ""
    if not done.settled:
        try:
            kept = keeper.ask(driver, done.survey, plan.profile.seconds, going_on.again(options))
        except UserError as error:
            kept = f"nobody looks after them, for there is no keeper: {error}"
    return summary(plan, driver, done.survey, options, kept=kept)


def summary(plan: Plan, driver: Driver, survey: Survey, options: Namespace, number: int = 0, kept: str = "") -> int:
    """Say how it stands; the exit code.

    Args:
        number: of the signal that ended the watch, if one did.
        kept: who looks after jobs that are left alone.
    """
    jobs = {job.name: job for job in plan.jobs}
    lines = [f"{len(jobs)} jobs: {outlook.counts(survey)}", *plan.without_data]
    waiting = outlook.left(survey)
    if waiting and (words := outlook.queue(survey)):
        lines.append(words)
    failed = [each for each in survey.standings.values() if each.state == "failed"]
    for each in failed:
        lines += [f"failed: {each.job.title}: {each.why}", f"    log: {driver.store.log(each.job)}"]
    blocked = Counter(each.step.words for each in survey.standings.values() if each.state == "blocked")
    lines += [f"blocked: {count} runs: {words}" for words, count in blocked.items()]
    if waiting and (number or options.detach):
        lines += _left_alone(driver, survey, options, kept or "nobody looks after them")
    if failed:
        lines.append("A failure stands until it is mended: then run again with --rerun retry (make: RERUN=retry).")
    print("\n".join(lines), file=sys.stderr)
    short = options.detach and outlook.not_submitted(survey) and not outlook.full(survey, driver.cluster)
    return 128 + number if number else int(bool(failed or plan.lacking or short))


def _left_alone(driver: Driver, survey: Survey, options: Namespace, kept: str) -> list[str]:
    """What happens to jobs that nobody watches, and how to go on."""
    lines = []
    if any(each.live is not None or each.state == "running" for each in survey.standings.values()):
        seconds = outlook.seconds_to_go(survey, driver.store, driver.cluster, driver.estimates)
        lines.append(f"The jobs stay in the queue, about {duration(seconds)} to go; {kept}.")
        if kept.startswith("nobody"):
            lines.append(
                "What is lost there starts anew only as far as Slurm requeues it by itself; for the rest run again, "
                f"now and then or to stay: {going_on.again(options)}"
            )
    if missing := outlook.not_submitted(survey):
        room = " (max_jobs of the cluster profile are in the queue)" if outlook.full(survey, driver.cluster) else ""
        who = "" if lines or kept.startswith("nobody") else f"; {kept}"
        lines.append(f"NOT submitted: {missing} jobs{room}; run again: {going_on.again(options)}{who}")
    return [*lines, f"How it stands: {going_on.status(options)}. {going_on.cancel(options)}"]


def check(options: Namespace, cluster: Cluster) -> None:
    """Raises ``ConfigError`` for options that do not go together."""
    if getattr(options, "detach", False) and cluster.executor != "slurm":
        raise ConfigError("--detach", f"`--cluster {options.cluster}` ends with this process", "Leave it out.")
    if options.workers and cluster.executor == "slurm":
        remedy = "Set `max_jobs` in the cluster profile."
        raise ConfigError(f"--workers {options.workers}", "how many jobs run at once is Slurm's to say", remedy)
