"""A keeper: a small job of Slurm that makes the passes while nobody watches, until nothing is left to look after.

``harness run --detach`` leaves a list of jobs below ``STORE/.slurm/keeper/<cluster>-<uid>/`` and sees to it that there
is one keeper of the store there: under the lease it looks for one in the queue before it submits another; and one that
starts while another is at work goes at once. A keeper says under the lease that it is done, so no request falls between
two. At its time limit it is requeued. It needs neither tables nor data: every job is in its ``job.json``.
"""

from __future__ import annotations

import hashlib
import json
import math
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from ground import stopping
from ground.config import validate
from ground.errors import StorageError, UserError
from ground.files import write_json
from ground.stopping import Stopped
from harness import allocation, claims, hearts, snapshot, worker
from harness.allocation import Allocation
from harness.claims import Claim
from harness.cluster import lease, outlook
from harness.cluster.backend import Backend, Environment, Slurm
from harness.cluster.driver import LEASE_SECONDS, Driver, Pass
from harness.cluster.home import KEEPER, Home
from harness.cluster.journal import Ending
from harness.cluster.needs import megabytes
from harness.cluster.survey import Survey, path_of
from harness.cluster.telling import Teller
from harness.endings import End
from harness.estimate import Estimates
from harness.profiles import Seconds
from harness.store import Store, read_job
from slurm.cluster import Cluster
from slurm.requests import Entry, Queue, Request, Submission, Task

TASK = KEEPER
"""What a keeper's task is called in its submission."""
CLAIMS = "attempts"
"""Of keepers, in the folder of their requests."""
FUNCTION = "harness.cluster.keeper:main"
PAUSE_SECONDS = 0.2
RETRY_SECONDS = 30.0
"""After a pass that failed."""


def ask(driver: Driver, survey: Survey, believed: Seconds, words: str) -> str:
    """Leave a plan for the keeper and see to it that there is one; a line on who looks after it.

    Args:
        survey: of the plan; every job that is not done is written down.
        believed: how long jobs are believed to take.
        words: the command that asks.

    Raises:
        StorageError: the store is full or read-only.
        UserError: Slurm takes no keeper.
    """
    if driver.cluster.keeper is None:
        return "nobody looks after them (field `keeper` of the cluster profile, see docs/cluster.md)"
    home = driver.surveyor.home
    for each in survey.standings.values():
        if each.state != "done":
            driver.store.prepare(each.job)
    names = [path_of(job) for job in driver.jobs]
    wanted = {
        "jobs": names,
        "cluster": driver.cluster.model_dump(mode="json", by_alias=True),
        "seconds": believed.model_dump(mode="json"),
        "since": driver.since,
        "words": words,
    }
    name = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
    folder = folder_of(home, driver.backend)
    with lease.held(home.lease, LEASE_SECONDS) as claim:
        if claim is None:
            return "another harness is submitting: run again for a keeper to look after them"
        write_json(folder / f"{name}.json", wanted)
        return _ensure(driver, home, folder, claim)


def folder_of(home: Home, backend: Backend) -> Path:
    """Where a keeper in this queue, of this user, finds what it is to keep.

    Raises:
        Unavailable: Slurm does not answer.
    """
    origin = backend.origin()
    return home.keeper / f"{origin.cluster or 'slurm'}-{origin.uid}"


def _ensure(driver: Driver, home: Home, folder: Path, claim: Claim) -> str:
    """Submit a keeper unless there is one."""
    known = keepers(driver.backend, home)
    queue = driver.backend.look(driver.cluster, known)
    if not queue.reachable:
        return f"Slurm does not answer ({queue.problem}): run again for a keeper to look after them"
    submissions = [each for each in known if each.token not in queue.foreign]
    if there := staying(submissions, queue, folder):
        return f"the keeper {there.job_id or there.token} looks after them"
    lease.keep(claim)
    home.journal.ended([Ending(each.token, 0, TASK, "done", "", time.time()) for each in submissions])
    made = submit(driver.backend, home, driver.cluster, folder.name, driver.environment())
    return (
        f"the keeper {made.job_id or made.token} looks after them: it starts anew what is lost, until nothing is left"
    )


def staying(submissions: Sequence[Submission], queue: Queue, folder: Path) -> Submission | None:
    """The keeper among ``submissions`` that is or will be at work, if one is."""
    for each, entry in _with_entries(submissions, queue.entries):
        if each.job_id is None or (entry is not None and stays(entry, folder)):
            return each
    return None


def submit(backend: Backend, home: Home, cluster: Cluster, name: str, environment: Environment) -> Submission:
    """Submit one, for the requests in the folder ``name``.

    Raises:
        UserError: Slurm takes none.
    """
    task = Task(TASK, (str(home.root.parent), name))
    return backend.submit(
        home.submissions,
        cluster,
        request(cluster),
        [task],
        (),
        function=FUNCTION,
        environment={**worker.environment(1), **environment},
    )


def stays(entry: Entry, folder: Path) -> bool:
    """Whether a keeper is or will be at work, by what Slurm says of it and by its own last word."""
    if entry.phase == "ended" or entry.state == "COMPLETING":
        return False
    last = claims.latest(folder / CLAIMS)
    if entry.phase == "pending" or last is None or last.end is None or last.owner is None:
        return True
    return (last.owner.slurm, last.owner.restart) != (entry.job_id, entry.restarts)


def requests(folder: Path) -> list[Path]:
    """What waits for a keeper, or is kept by one."""
    return sorted(folder.glob("*.json"))


def keepers(backend: Backend, home: Home) -> list[Submission]:
    """Submissions of keepers that were not seen to have ended."""
    closed = home.journal.read().closed
    return [
        each for each in backend.known(home.submissions) if each.tasks[0].name == TASK and (each.token, 0) not in closed
    ]


def request(cluster: Cluster) -> Request:
    """What a keeper asks for."""
    asked = cluster.keeper
    assert asked is not None
    return Request(
        nodes=1,
        tasks_per_node=1,
        gpus_per_node=0,
        cpus_per_task=asked.cpus,
        minutes=math.ceil(asked.hours * 60),
        memory_mb=None if asked.memory is None else math.ceil(megabytes(asked.memory)),
        partition=asked.partition or cluster.partition,
        account=cluster.account,
        qos=None if asked.partition else cluster.qos,
    )


def _with_entries(
    submissions: Sequence[Submission], entries: Sequence[Entry]
) -> Iterator[tuple[Submission, Entry | None]]:
    by_token = {each.token: each for each in entries}
    return ((each, by_token.get(each.token)) for each in submissions)


def main(root: str, name: str) -> int:
    """A keeper's whole process, for the requests in its folder ``name``; its exit code."""
    stopping.listen(signal.SIGUSR2, signal.SIGTERM)
    home = Home(Store(Path(root)))
    folder = home.keeper / name
    claim = claims.acquire(folder / CLAIMS, hearts.PATIENCE_SECONDS)
    if claim is None:
        print("another keeper is at work", flush=True)
        return 0
    began = time.monotonic()
    try:
        while True:
            keep(home, Slurm(), folder)
            with lease.held(home.lease, LEASE_SECONDS) as alone:  # who asks now finds this word, or us at work
                if alone is not None and not requests(folder):
                    claim.end(End("done", time.monotonic() - began))
                    return 0
            stopping.check()
    except Stopped as stop:
        stopping.deafen()
        claim.end(End("stopped", time.monotonic() - began, message=str(stop)))
        here = allocation.here()
        if here is not None and _begins_anew(str(stop), here) and (problem := allocation.requeue(here)):
            print(f"not requeued: {problem}. Start another one: harness run --detach", flush=True)
        return 1
    finally:
        claim.rest()


def _begins_anew(reason: str, here: Allocation) -> bool:
    """Whether a keeper that was stopped has itself to ask for its next start: at its limit, and within a grace."""
    return reason == signal.SIGUSR2.name or (reason == signal.SIGTERM.name and allocation.in_grace(here))


def keep(home: Home, backend: Backend, folder: Path) -> None:
    """Make passes over all that was left for a keeper in ``folder`` until nothing is. What goes wrong with one request
    is said, and the others go on.

    Raises:
        Stopped: somebody asked.
    """
    drivers: dict[tuple[Path, int], tuple[Driver, Teller]] = {}
    while wanted := requests(folder):
        seconds = 0.0
        for path in wanted:
            try:
                place = path, path.stat().st_mtime_ns  # asked again, it is another request
                driver, teller = drivers[place] = drivers.get(place) or _driver(home, path, backend)
                done = driver.make()
                teller.told(done)
                if not (done.settled and _put_away(home, place, done)):
                    seconds = max(seconds, driver.cluster.poll_seconds)
            except UserError as error:  # of the storage or of Slurm: it may be mended by the time of the next pass
                print(error, flush=True)
                seconds = max(seconds, RETRY_SECONDS)
            except Exception:  # the others' jobs must not lose their keeper for it
                print(f"{path}: tried again\n{traceback.format_exc()}", flush=True)
                seconds = max(seconds, RETRY_SECONDS)
        _pause(seconds)


def _put_away(home: Home, place: tuple[Path, int], done: Pass) -> bool:
    """Remove a request that was fulfilled, unless it was made anew meanwhile."""
    path, written = place
    with lease.held(home.lease, LEASE_SECONDS) as claim:
        if claim is None or path.stat().st_mtime_ns != written:
            return False
        print(f"nothing is left to do: {outlook.counts(done.survey)}", flush=True)
        path.unlink()
        return True


def _driver(home: Home, path: Path, backend: Backend) -> tuple[Driver, Teller]:
    """A driver of what a file asks for.

    Raises:
        StorageError: it cannot be read, or a job that it names cannot.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        jobs = [read_job(home.root.parent / each) for each in told["jobs"]]
    except (ValueError, KeyError, TypeError, StorageError) as error:
        path.rename(path.with_suffix(".bad"))
        raise StorageError(path, f"unreadable ({error})", "Run again with --detach: it is written anew.") from None
    cluster = validate(Cluster, told["cluster"], path)
    estimates = Estimates(validate(Seconds, told["seconds"], path))
    print(f"looking after {told['words']}: {len(jobs)} jobs", flush=True)
    # Jobs that start anew run from where this process runs: the code of when they were asked for.
    store = Store(home.root.parent)
    environment = snapshot.take(store.root).environment()
    driver = Driver(store, jobs, cluster, backend, estimates, lambda: environment, float(told["since"]))
    return driver, Teller(driver)


def _pause(seconds: float) -> None:
    """Wait, listening.

    Raises:
        Stopped: somebody asked.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stopping.check()
        time.sleep(PAUSE_SECONDS)
