"""``harness status``: method × run; where jobs go to a cluster, the queue; and why what is not done is not."""

from __future__ import annotations

import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ground.errors import ConfigError
from harness import commands, status
from harness import plan as planning
from harness.cluster import explaining, keeper, outlook
from harness.cluster.backend import Backend, Slurm
from harness.cluster.home import Home
from harness.cluster.retries import Step
from harness.cluster.survey import Standing, Survey, Surveyor, path_of
from harness.estimate import Estimates, learn
from harness.plan import Plan
from harness.store import Look, Store
from slurm import cluster as clusters
from slurm.cluster import Cluster

WATCH_SECONDS = 2.0
QUEUE_SECONDS = 10.0
"""How often at most the queue is asked for the eye."""
PATIENCE_SECONDS = 15.0
"""How long it gets for an answer: somebody sits and waits. Slurm's own limit for a message is ten."""
_LOCALLY = {
    "running": "at work",
    "queued": "a harness is at work and will start it",
    "blocked": "waits for a job that failed",
    "failed": "stands until it is mended; then --rerun retry",
    "interrupted": "goes on from its checkpoint with the next harness run",
}


def show_status(options: Namespace) -> int:
    """The matrix method × run; ``--watch`` draws it again until nothing is left to wait for."""
    wanted, seen = commands.request(options), viewer(options)
    store = Store(wanted.store)
    if words := status.absent(store):
        print(words, file=sys.stderr)
    while True:
        plan = planning.build(wanted)
        standings = seen.survey(plan) if seen else None
        looks = status.aged(store, plan.jobs, standings.looks) if standings else status.survey(store, plan.jobs)
        clear = "\x1b[2J\x1b[H" if options.watch and sys.stdout.isatty() else ""
        shown = [status.matrix(plan, layout, store, looks) for layout in plan.layouts]
        print(clear + "\n\n".join([*shown, status.LEGEND]))
        print(status.tally(looks.values()))
        for line in seen.lines(plan, standings) if seen and standings else ():
            print(line)
        if options.why is not None:
            known = standings.standings if standings else _locally(plan, looks)
            print("\n" + "\n".join(explaining.lines(plan, store, known, options.why)))
        else:
            given_up = {name: each.why for name, each in standings.standings.items()} if standings else {}
            commands.notes(plan, store, looks, given_up)
        if not options.watch or (standings.settled if standings else not store.driven()):
            return 0
        sys.stdout.flush()
        time.sleep(min(seen.cluster.poll_seconds, QUEUE_SECONDS) if seen else WATCH_SECONDS)


def _locally(plan: Plan, looks: Mapping[str, Look]) -> dict[str, Standing]:
    """Where jobs stand on this machine."""
    words = {name: _LOCALLY.get(look.state, "starts with harness run") for name, look in looks.items()}
    return {job.name: Standing(job, looks[job.name], None, (), Step("none", words[job.name])) for job in plan.jobs}


@dataclass
class Viewer:
    """Looks at plans with the eyes of a cluster's profile."""

    store: Store
    name: str
    cluster: Cluster
    backend: Backend

    def survey(self, plan: Plan) -> Survey:
        """Where the jobs of a plan stand."""
        return Surveyor(self.store, plan.jobs, self.cluster, self.backend, since=0.0).survey()

    def lines(self, plan: Plan, survey: Survey) -> list[str]:
        """Below the matrix."""
        estimates = Estimates(plan.profile.seconds)
        for each in survey.standings.values():
            if each.state == "done":
                estimates.add(each.job, each.look.seconds)
        learn(estimates, self.store, plan.jobs)
        told = [outlook.rest(survey, self.store, self.cluster, estimates), outlook.nodes(survey.history.bad_nodes())]
        if survey.queue.reachable:  # else each further question would be waited for in vain, too
            told[1:1] = [self._keeper()]
            told.append(self._others(plan))
        return [line for line in told if line]

    def _others(self, plan: Plan) -> str:
        """What of the store is in the queue and not of this plan: a forgotten option shows another plan."""
        home, names = Home(self.store), {keeper.TASK, *map(path_of, plan.jobs)}
        closed = home.journal.read().closed if home.used() else set()
        tasks = {
            (each.token, index): each
            for each in (self.backend.known(home.submissions) if home.used() else ())
            for index, task in enumerate(each.tasks)
            if task.name not in names and (each.token, index) not in closed
        }
        opened = list({each.token: each for each in tasks.values()}.values())
        queue = self.backend.look(self.cluster, opened).entries if opened else ()
        number = sum(each.phase != "ended" and (each.token, each.index) in tasks for each in queue)
        settings = "other tables or settings (--profile, --only, --set, --seed, …) than those asked for"
        return f"besides, {number} tasks of this store are in the queue, of {settings}" if number else ""

    def _keeper(self) -> str:
        home = Home(self.store)
        found = keeper.keepers(self.backend, home) if home.used() else []
        queue = self.backend.look(self.cluster, found)
        if not queue.reachable:
            return ""
        folder = keeper.folder_of(home, self.backend)
        words = [f"{each.job_id} {each.state}" for each in queue.entries if keeper.stays(each, folder)]
        if not words and (waiting := keeper.requests(folder)):
            return f"no keeper, {len(waiting)} requests wait: harness run … --detach submits one"
        return f"keeper: {', '.join(words)}" if words else ""


def viewer(options: Namespace) -> Viewer | None:
    """Of the cluster that is named, or else that the store's jobs were submitted to last; None without one.

    Raises:
        ConfigError: a cluster that is named does not exist.
    """
    store = Store(Path(options.store))
    if options.cluster is not None:
        cluster = clusters.load(options.cluster)
        return Viewer(store, options.cluster, cluster, Slurm(PATIENCE_SECONDS)) if cluster.executor == "slurm" else None
    remembered = Home(store).remembered()
    if remembered is None or shutil.which("squeue") is None:
        return None
    try:
        return Viewer(store, remembered[0], clusters.load(remembered[0]), Slurm(PATIENCE_SECONDS))
    except ConfigError as error:
        print(f"the queue is not shown: {error} Or name the cluster: --cluster NAME.", file=sys.stderr)
        return None
