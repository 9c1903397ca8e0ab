"""What ``--rerun`` means on a cluster: see `harness.policy`. What is in the queue stays as it is, and what it reads."""

from __future__ import annotations

from harness.cluster import lease, worked
from harness.cluster.driver import LEASE_SECONDS, Driver
from harness.cluster.survey import Standing, Survey, path_of
from harness.policy import Policy
from harness.store import shelve


def apply(driver: Driver, policy: Policy) -> list[str]:
    """Set aside what ``policy`` does not let stand; lines on what could not be.

    ``retry`` also forgets how often a job has failed so far; ``force`` starts from the beginning.

    Raises:
        StorageError: the store cannot be written.
    """
    if policy not in {"retry", "force"}:
        return []
    home = driver.surveyor.home
    with lease.held(home.lease, LEASE_SECONDS) as claim:
        if claim is None:
            return [f"--rerun {policy}: another harness is submitting; run again"]
        survey = driver.look()
        if not survey.queue.reachable:
            return [f"--rerun {policy}: Slurm does not answer ({survey.queue.problem}); run again"]
        chosen = _failed(survey) if policy == "retry" else _free(driver, survey)
        home.journal.ended(survey.fresh)
        home.journal.pardoned({path_of(each.job): _worked(driver, each, policy) for each in chosen})
        for each in chosen:
            directory = driver.store.directory(each.job)
            if policy == "retry" and each.stands == "failed":
                shelve(directory / "record.json", "failed")
            elif policy == "force" and directory.exists():
                driver.store.set_aside(each.job)
    kept = len(survey.standings) - len(chosen)
    return [f"{kept} jobs are in the queue, at work, or read from: they stay"] if policy == "force" and kept else []


def _worked(driver: Driver, each: Standing, policy: Policy) -> float:
    """Seconds that are forgiven; a job that begins anew begins at none."""
    return 0.0 if policy == "force" else worked.told(driver.store.progress(each.job))


def _failed(survey: Survey) -> list[Standing]:
    """Given up, or refused by Slurm when it was asked last."""
    return [
        each
        for each in survey.standings.values()
        if each.state == "failed" or (each.step.action == "submit" and path_of(each.job) in survey.history.refused)
    ]


def _free(driver: Driver, survey: Survey) -> list[Standing]:
    """What nobody has and nobody reads."""
    busy = [each for each in survey.standings.values() if each.live or each.state == "running"]
    names = {each.job.name for each in busy} | {parent.name for each in busy for parent in each.job.parents.values()}
    read = driver.store.read_from()
    return [
        each
        for name, each in survey.standings.items()
        if name not in names and each.job.kind != "import" and driver.store.directory(each.job) not in read
    ]
