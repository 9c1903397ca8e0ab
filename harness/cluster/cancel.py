"""``harness cancel``: what of ours is in the queue is listed, and taken out once that was agreed to."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ground.errors import ConfigError
from harness import commands
from harness import plan as planning
from harness.cluster import going_on, lease, leaving
from harness.cluster.backend import Backend, Slurm
from harness.cluster.driver import LEASE_SECONDS
from harness.cluster.home import Home
from harness.cluster.journal import History
from harness.cluster.survey import path_of
from harness.options import DEFAULT_TABLES
from harness.plan import Plan
from harness.store import Store
from slurm import cluster as clusters
from slurm.cluster import Cluster
from slurm.requests import Entry

SHOWN = 20
WHOSE = 3
"""Jobs that are named as those for which another one stays."""


@dataclass(frozen=True)
class Found:
    """A task of ours in the queue."""

    name: str
    entry: Entry


@dataclass(frozen=True)
class Choice:
    """What of the queue goes, and what does not."""

    found: list[Found]
    needed: list[tuple[Found, list[str]]]
    """What was named and stays, with the jobs that were not and rest on it."""
    others: int
    """How many more tasks of the store are in the queue: they were not named, or not listed to who agreed."""
    foreign: list[str]
    """Lines on tasks that are in another's queue."""

    @property
    def numbers(self) -> tuple[int, int, int]:
        """How many go, stay though they were named, and were not named."""
        return len(self.found), len(self.needed), self.others


def cancel(options: Namespace, backend: Backend | None = None) -> int:
    """Take jobs out of the queue: those of a selection as ``run`` takes it, or all of the store.

    Raises:
        ConfigError: it is not said which cluster, or nobody can be asked.
    """
    store = Store(Path(options.store))
    cluster, backend = _cluster(options, store), backend or Slurm()
    plan = _selected(options)
    names = None if plan is None else {path_of(job) for job in plan.jobs}
    shared = {} if plan is None else leaving.also_of(plan)
    listed: Choice | None = None
    if options.dry_run or not options.yes:  # nobody is held up by a question that is not answered
        listed = in_queue(store, cluster, backend, names)
        print("\n".join(listing(listed, shared)))
        if options.dry_run or not listed.found:
            return 0
        if not _agreed(len(listed.found)):
            print("nothing was cancelled")
            return 1
    home = Home(store)
    with lease.held(home.lease, LEASE_SECONDS) as claim:  # nobody submits meanwhile
        if claim is None:
            raise ConfigError("cancel", "another harness is submitting at the moment", "Try again when it is done.")
        choice = in_queue(store, cluster, backend, names, listed)
        if listed is None or choice.numbers != listed.numbers:
            print("\n".join(listing(choice, shared)))
        lease.keep(claim)
        # The word first: whoever stays with these jobs must not take them for lost.
        home.journal.note("cancelled", dict.fromkeys(each.name for each in choice.found))
        if choice.found:
            backend.cancel([each.entry.job_id for each in choice.found])
            words = "what they have done so far is kept, harness run goes on from there"
            print(f"cancelled {len(choice.found)} tasks; {words}")
    return 0


def _selected(options: Namespace) -> Plan | None:
    """What is meant; None for all of the store. Whatever else selects, without a table, does so in the one that ``run``
    takes: all of the store must be meant by nobody who has named a profile or a seed."""
    if not (options.tables or going_on.selects(options)):
        return None
    options.tables = options.tables or DEFAULT_TABLES
    return planning.build(commands.request(options))


def in_queue(
    store: Store, cluster: Cluster, backend: Backend, names: set[str] | None, listed: Choice | None = None
) -> Choice:
    """What of this store is in the queue and may go.

    Args:
        names: what is meant; None for all of the store.
        listed: what somebody has agreed to: what came into the queue since stays, and so does what it rests on.

    Raises:
        ConfigError: Slurm does not answer.
    """
    home = Home(store)
    history = home.journal.read() if home.used() else History()
    submissions = backend.known(home.submissions) if home.used() else []
    tasks = {
        (each.token, index): task.name
        for each in submissions
        for index, task in enumerate(each.tasks)
        if (each.token, index) not in history.closed
    }
    queue = backend.look(cluster, [each for each in submissions if any(each.token == token for token, _ in tasks)])
    if not queue.reachable:
        raise ConfigError("cancel", f"Slurm does not answer ({queue.problem})", "Try again when it does.")
    alive = [each for each in queue.entries if each.phase != "ended" and (each.token, each.index) in tasks]
    found = [Found(tasks[each.token, each.index], each) for each in alive]
    elsewhere = {place: name for place, name in tasks.items() if place[0] in queue.foreign}
    chosen = [each for each in found if names is None or each.name in names]
    remaining: set[str] = set()
    if names is not None:
        remaining = {each.name for each in found} | set(elsewhere.values()) | leaving.kept(home, history.cancelled)
        remaining -= names
    agreed = {each.name for each in (found if listed is None else listed.found)}
    if listed is not None:
        told = agreed | {each.name for each, _ in listed.needed}
        remaining |= {each.name for each in chosen} - told
        chosen = [each for each in chosen if each.name in told]
    needed = leaving.needed(store, {each.name for each in chosen}, remaining)
    tally = Counter(queue.foreign[token] for (token, _), name in elsewhere.items() if names is None or name in names)
    going = [each for each in chosen if each.name in agreed and each.name not in needed]
    staying = [(each, needed[each.name]) for each in chosen if each.name in needed]
    return Choice(
        found=going,
        needed=staying,
        others=len(found) - len(going) - len(staying),
        foreign=[
            f"{number} tasks belong to {whose}: only there can they be cancelled" for whose, number in tally.items()
        ],
    )


def listing(choice: Choice, shared: Mapping[str, Sequence[str]]) -> list[str]:
    """What would go, and what stays. ``shared``: jobs that are of other tables, too."""
    lines = _told(choice.found, "to be cancelled") or ["nothing of this store is in the queue that could be cancelled"]
    if not (choice.found or choice.needed or choice.others):
        lines = ["nothing of this store is in the queue"]
    tally = Counter(table for each in choice.found for table in shared.get(each.name, ()))
    lines += [f"{number} of them are of {table}, too" for table, number in sorted(tally.items())]
    if choice.needed:
        lines += _told([each for each, _ in choice.needed], "stay, for jobs that were not named rest on them")
        users = sorted({name for _, names in choice.needed for name in names})
        more = f" and {len(users) - WHOSE} more" if len(users) > WHOSE else ""
        lines.append(f"  needed by {', '.join(users[:WHOSE])}{more}")
    if choice.others:
        lines.append(f"{choice.others} other tasks of this store stay")
    return [*lines, *choice.foreign]


def _told(found: Sequence[Found], words: str) -> list[str]:
    """Tasks by number and state, and the first of them."""
    if not found:
        return []
    tally = Counter(each.entry.state for each in found)
    states = ", ".join(f"{number} {state}" for state, number in tally.items())
    lines = [f"{len(found)} tasks of this store {words}: {states}"]
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
