"""What run, plan and status do. Each takes parsed options and returns an exit code."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ground.cores import usable
from ground.errors import ConfigError
from harness import aging, forecast_text, plan_text, policy, status
from harness import plan as planning
from harness.cluster import needs
from harness.cluster.home import Home
from harness.estimate import Estimates, duration, learn
from harness.plan import Plan, Request
from harness.schedule import wall_clock
from harness.speed import Speed
from harness.store import Look, Store
from slurm import cluster as clusters
from slurm.executor import Executor, visible_gpus

if TYPE_CHECKING:
    from harness.reconcile import Result

NOTHING = "No recipe or no task of this table is implemented: there is nothing to run."


def request(options: Namespace) -> Request:
    """The options that decide a plan."""
    return Request(
        tables=tuple(options.tables),
        profile=options.profile,
        overrides=tuple(options.overrides),
        data=options.data,
        pretrain_images=tuple(options.pretrain_images),
        seed=options.seed,
        pretrainings=options.pretrain_seeds,
        recipes=names(options.recipes),
        added=names(options.add),
        tasks=names(options.tasks),
        store=Path(options.store),
        gpus=gpus(options),
    )


def gpus(options: Namespace) -> frozenset[str] | None:
    """Kinds of job that get a GPU where the options say that jobs run; None for this machine.

    Who only reads results need not say where they were made: it is where the store's jobs were submitted to last.
    """
    if options.cluster is None:
        remembered = Home(Store(Path(options.store))).remembered()
        return remembered[1] if remembered else None
    cluster = clusters.load(options.cluster)
    return needs.on_gpus(cluster) if cluster.executor == "slurm" else None


def names(texts: Sequence[str]) -> tuple[str, ...]:
    """``["a,b", "c"]`` as a, b, c."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def run(options: Namespace) -> int:
    """Generate the data if need be, then run whatever the tables still lack."""
    wanted = request(options)
    if options.dry_run:
        options.submissions = clusters.load(options.cluster).executor == "slurm"
        return preview(wanted, options)
    return bring(lambda: planning.build(wanted), options)[1]


def bring(build: Callable[[], Plan], options: Namespace) -> tuple[Plan, int]:
    """Drive a plan to its end, its data generated before if need be; the plan and the exit code.

    Args:
        build: makes the plan, on the data as they lie there when it is called.
        options: of the command line: ``store``, ``rerun``, ``workers``, ``cluster``.
    """
    from harness import display
    from harness.cluster import run as cluster
    from harness.inprocess import InProcess
    from harness.reconcile import Reconciler

    profile = clusters.load(options.cluster)
    cluster.check(options, profile)
    if profile.executor == "slurm":
        return cluster.bring(build, options, profile)
    began, plan, store = time.monotonic(), build(), Store(Path(options.store))
    _check_processes(plan, options.cluster, profile)
    if plan.jobs and not plan.generated and options.rerun != "never":
        with display.reporter(f"generate {plan.source.root}") as report:
            plan.source.generate(report)
        plan = build()  # only now do the jobs that read the scenes have their keys
    policy.apply(store, plan.jobs, options.rerun)
    estimates = Estimates(plan.profile.seconds)
    reconciler = Reconciler(store, plan.jobs, estimates)
    left = reconciler.survey()
    if left and options.rerun != "never":
        learn(estimates, store, plan.jobs)
        workers = _workers(options, plan)
        overall = display.Overall(plan.jobs, estimates, workers)
        with store.driver(left) as folder, display.listener(overall) as listener:
            if profile.executor == "debug":
                reconciler.run(InProcess(folder), listener)
            else:
                reconciler.run(Executor(folder / "submitit", workers=workers, gpus=visible_gpus()), listener)
    return plan, _summary(plan, store, reconciler.result, time.monotonic() - began)


def _check_processes(plan: Plan, name: str, cluster: clusters.Cluster) -> None:
    """Raises ``ConfigError`` if a job wants more processes than this machine starts for one: each job has one GPU here,
    and what shall be looked at in a debugger is one process."""
    for job in plan.jobs:
        wanted = job.config.get("processes", 1)
        if wanted > 1 and (job.device_class == "cuda" or cluster.executor == "debug"):
            each = "gives a job one GPU" if job.device_class == "cuda" else "runs a job in one process"
            problem = f"field `processes` = {wanted}: `--cluster {name}` {each}"
            remedy = f"Set {job.task}.processes=1, or run it on a cluster with Slurm (--cluster NAME)."
            raise ConfigError(f"task `{job.task}`", problem, remedy)


def _workers(options: Namespace, plan: Plan) -> int:
    """Jobs at once: as asked, else one for each GPU, else as many as the cores hold."""
    asked: int | None = options.workers or plan.profile.workers
    if asked:
        return asked
    gpus = visible_gpus() if any(job.device_class == "cuda" for job in plan.jobs) else ()
    return len(gpus) or max(usable() // max((job.threads for job in plan.jobs), default=1), 1)


def _summary(plan: Plan, store: Store, result: Result, seconds: float) -> int:
    """Say how it ended; the exit code."""
    looks, jobs = status.survey(store, plan.jobs), {job.name: job for job in plan.jobs}
    lines = [f"{status.tally(looks.values())}; {duration(seconds)}"]
    if not jobs:
        lines = [NOTHING]
    lines += plan.without_data
    lines += result.problems
    for name, look in result.failed.items():
        lines += [f"failed: {jobs[name].title}: {look.reason}", f"    log: {store.log(jobs[name])}"]
    for parent, number in Counter(result.blocked.values()).items():
        lines.append(f"blocked: {number} runs wait for {jobs[parent].title}")
    if not result.signal:
        lines += _advice(result.failed.values())
    if result.signal:
        lines.append("Stopped. Run again to go on from here.")
    print("\n".join(lines), file=sys.stderr)
    return 128 + result.signal if result.signal else int(bool(result.failed or plan.lacking))


def _advice(failed: Collection[Look]) -> list[str]:
    """What to do about failures, by what `policy` does with them."""
    stands = [look for look in failed if look.error_kind and look.error_kind not in policy.MENDED_OUTSIDE]
    again = [look for look in failed if look.error_kind in policy.MENDED_OUTSIDE]
    lines = []
    if stands:
        lines.append(
            "A failure stands until its settings or data change: mend it and run again, with --rerun retry "
            "(make: RERUN=retry) where neither does."
        )
    if again:
        lines.append("Failures of storage, memory or node are tried again by the next run.")
    return lines


def show_plan(options: Namespace) -> int:
    """What would run, what is done, and how long it would take; changes nothing."""
    return preview(request(options), options)


def preview(wanted: Request, options: Namespace) -> int:
    """Print the plan of what is wanted."""
    cluster = clusters.load(options.cluster)
    for option, value in (("--gpus", options.gpus), ("--from", options.begin)):
        if value is not None and cluster.executor != "slurm":
            problem = f"`--cluster {options.cluster}` is this machine, which is reckoned with as it is, from now on"
            raise ConfigError(option, problem, "Name a Slurm cluster's profile: --cluster NAME.")
    plan, store = planning.build(wanted), Store(wanted.store)
    if cluster.executor != "slurm":
        _check_processes(plan, options.cluster, cluster)
    looks, speed = status.survey(store, plan.jobs), Speed(plan.profile, cluster)
    estimates = speed.estimates(store, looks, plan.jobs)
    if options.submissions:
        return _show_submissions(plan, store, cluster, estimates, options)
    print(status.heading(plan))
    if not plan.generated:
        print(f"the scenes in {plan.source.root} are generated first")
    if cluster.executor == "slurm":
        asked = forecast_text.Asked(options.cluster, cluster, options.gpus, options.begin)
        forecast_text.show(asked, plan, store, looks, estimates, speed)
    else:
        _show_here(plan, looks, estimates, options)
    notes(plan, store, looks)
    return int(bool(plan.lacking))


def _show_submissions(
    plan: Plan, store: Store, cluster: clusters.Cluster, estimates: Estimates, options: Namespace
) -> int:
    """The scripts that sbatch would get."""
    from harness.cluster import rehearsal

    if cluster.executor != "slurm":
        raise ConfigError(
            "--submissions", f"`--cluster {options.cluster}` submits nothing", "Name a Slurm cluster's profile."
        )
    paper = rehearsal.rehearse(plan, store, cluster, estimates, detach=getattr(options, "detach", False))
    print("\n".join(rehearsal.lines(plan, store, cluster, paper)))
    return int(bool(plan.lacking))


def _show_here(plan: Plan, looks: Mapping[str, Look], estimates: Estimates, options: Namespace) -> None:
    """The jobs of a plan, and how long they take on this machine."""
    print("\n".join(plan_text.groups(plan, looks, estimates)))
    left = [job for job in plan.jobs if looks[job.name].state not in {"done", "failed", "blocked"}]
    if left:
        seconds = {job.name: estimates.seconds(job) for job in left}
        workers = _workers(options, plan)
        print(
            f"{len(left)} of {len(plan.jobs)} jobs to run: {duration(sum(seconds.values()))} of work, "
            f"{duration(wall_clock(left, seconds, workers))} with {workers} at once ({estimates.basis(left)})"
        )
    elif plan.jobs:
        print(f"{status.tally(looks.values())}; nothing to run")
    else:
        print(NOTHING)


def notes(plan: Plan, store: Store, looks: Mapping[str, Look], why: Mapping[str, str] | None = None) -> None:
    """What deserves a line after a plan or a status: failures, files that do not count, other versions."""
    for job in plan.jobs:
        if looks[job.name].state == "failed":
            words = (why or {}).get(job.name) or looks[job.name].reason
            print(f"failed: {job.title}: {words}\n    log: {store.log(job)}")
    for line in status.problems(looks):
        print(f"does not count: {line}")
    for line in status.stale(store, plan.jobs, looks):
        print(f"stale: {line}")
    for line in aging.lines((job, looks[job.name]) for job in plan.jobs):
        print(f"older code: {line}")
