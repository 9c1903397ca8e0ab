"""``harness cancel``: what of ours is in the queue is listed, and taken out once that was agreed to."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ground.errors import ConfigError
from harness import commands
from harness import plan as planning
from harness.cluster import lease
from harness.cluster.backend import Backend, Slurm
from harness.cluster.driver import LEASE_SECONDS
from harness.cluster.home import Home
from harness.cluster.survey import path_of
from harness.store import Store
from slurm import cluster as clusters
from slurm.cluster import Cluster
from slurm.requests import Entry

SHOWN = 20


@dataclass(frozen=True)
class Found:
    """A task of ours in the queue."""

    name: str
    entry: Entry


def cancel(options: Namespace, backend: Backend | None = None) -> int:
    """Take jobs out of the queue: those of tables, or all of the store.

    Raises:
        ConfigError: it is not said which cluster, or nobody can be asked.
    """
    store = Store(Path(options.store))
    cluster, backend, home = _cluster(options, store), backend or Slurm(), Home(store)
    names = None
    if options.tables:
        names = {path_of(job) for job in planning.build(commands.request(options)).jobs}
    if not options.yes:  # nobody is held up by a question that is not answered
        found, others = in_queue(home, cluster, backend, names)
        print("\n".join([*listing(found), *others]))
        if not found:
            return 0
        if not _agreed(len(found)):
            print("nothing was cancelled")
            return 1
        names = {each.name for each in found}
    with lease.held(home.lease, LEASE_SECONDS) as claim:  # nobody submits meanwhile
        if claim is None:
            raise ConfigError("cancel", "another harness is submitting at the moment", "Try again when it is done.")
        found, others = in_queue(home, cluster, backend, names)
        if options.yes or not found:
            print("\n".join([*listing(found), *others]))
        lease.keep(claim)
        # The word first: whoever stays with these jobs must not take them for lost.
        home.journal.note("cancelled", dict.fromkeys(each.name for each in found))
        if found:
            backend.cancel([each.entry.job_id for each in found])
            print(f"cancelled {len(found)} tasks; what they have done so far is kept, harness run goes on from there")
    return 0


def in_queue(home: Home, cluster: Cluster, backend: Backend, names: set[str] | None) -> tuple[list[Found], list[str]]:
    """What of this store is in the queue, of ``names`` if they are given; and lines on what is others' to cancel.

    Raises:
        ConfigError: Slurm does not answer.
    """
    closed = home.journal.read().closed if home.used() else set()
    submissions = backend.known(home.submissions) if home.used() else []
    open_ = [s for s in submissions if any((s.token, index) not in closed for index in range(len(s.tasks)))]
    queue = backend.look(cluster, open_)
    if not queue.reachable:
        raise ConfigError("cancel", f"Slurm does not answer ({queue.problem})", "Try again when it does.")
    tasks = {(s.token, index): task.name for s in open_ for index, task in enumerate(s.tasks)}
    alive = [each for each in queue.entries if each.phase != "ended" and (each.token, each.index) in tasks]
    found = [Found(tasks[each.token, each.index], each) for each in alive]
    tally = Counter(
        queue.foreign[token]
        for (token, index), name in tasks.items()
        if token in queue.foreign and (token, index) not in closed and (names is None or name in names)
    )
    others = [f"{number} tasks belong to {whose}: only there can they be cancelled" for whose, number in tally.items()]
    return [each for each in found if names is None or each.name in names], others


def listing(found: Sequence[Found]) -> list[str]:
    """What would go."""
    if not found:
        return ["nothing of this store is in the queue"]
    tally = Counter(each.entry.state for each in found)
    lines = [f"{len(found)} tasks of this store: {', '.join(f'{number} {state}' for state, number in tally.items())}"]
    lines += [f"  {each.entry.job_id:<12} {each.entry.state:<10} {each.name}" for each in found[:SHOWN]]
    return [*lines, *([f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])]


def _agreed(number: int) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("cancel", "nobody is there to be asked", "Say --yes to cancel what is listed above.")
    return input(f"Cancel these {number}? [y/N] ").strip().lower() in {"y", "yes"}


def _cluster(options: Namespace, store: Store) -> Cluster:
    remembered = Home(store).remembered()
    name = options.cluster or (remembered[0] if remembered else None)
    if name is None:
        raise ConfigError("cancel", f"nothing was ever submitted from {options.store}", "Name it: --store DIR.")
    cluster = clusters.load(name)
    if cluster.executor != "slurm":
        raise ConfigError(f"--cluster {name}", "has no queue", "Stop its harness with Ctrl-C.")
    return cluster
