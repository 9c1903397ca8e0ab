"""Hand arrays to Slurm: written down before sbatch is called, found again whatever happened in between."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ground.errors import StorageError
from ground.files import write_text
from slurm import commands, origin, tokens
from slurm.cluster import Cluster
from slurm.requests import Queue, Request, Submission, Task
from slurm.tokens import Call

GRACE_SECONDS = 60.0
"""How long after it was written down a submission that no queue shows is given up."""
REMEDY = "Mend the cluster profile: partition, account, qos, kinds, options."


def submit(
    home: Path,
    cluster: Cluster,
    request: Request,
    tasks: Sequence[Task],
    after: Sequence[str] = (),
    *,
    function: str,
    environment: Mapping[str, str | None],
) -> Submission:
    """Submit one array, of as many tasks as ``queue.limits`` allows at most.

    Args:
        home: folder of all submissions of a run store, seen by the nodes.
        after: Slurm's ids of jobs that have to end well before any of these starts. Slurm takes one that it has
            forgotten for one that ended well: a task looks itself at what it rests on.
        function: ``package.module:function``, called with a task's arguments in each of its processes.
        environment: laid over the job's own before its interpreter starts; None unsets a variable.

    Raises:
        ConfigError: sbatch refused it, or there is no Slurm here. Nothing of it is left.
        Unavailable: not now. Where nobody knows whether Slurm has it, `known` goes on naming it and `settle` finds out.
        StorageError: it could not be written down; sbatch was not called.
    """
    from slurm.batch import Batch

    commands.require("sbatch")
    call = Call(function, dict(environment))
    submission = tokens.new(request, tuple(tasks), tuple(after), time.time(), origin.here())
    folder, where = tokens.folder_of(home, submission.token), f"sbatch of {len(tasks)} jobs ({tasks[0].name}, …)"
    batch = Batch(folder, cluster, submission, call)
    try:
        write_text(folder / "batch.sh", batch.text())
        tokens.write(home, submission, call)
    except StorageError:
        tokens.remove(folder)
        raise
    answer = commands.run("sbatch", str(folder / "batch.sh"))
    if identity := batch.id_in(answer.output) if answer.code == 0 else None:
        if (word := tokens.decide(folder, identity)) == tokens.DROPPED:  # its tasks go as soon as they start
            problem = f"{submission.token} was given up by somebody before sbatch answered"
            raise commands.Unavailable(where, problem, "Run again: its jobs are submitted anew.")
        return replace(submission, job_id=word)
    words = answer.words or answer.output.strip()
    if answer.code == 0 or commands.UNCLEAR.search(words):
        raise commands.Unavailable(where, f"Slurm says: {words}", "Run again: what became of it will be found out.")
    give_up(folder)
    raise commands.complaint(where, words, REMEDY)


def known(home: Path) -> list[Submission]:
    """Every submission that was written down and not given up, in order of creation; asks nobody."""
    told = [tokens.read(folder) for folder in tokens.folders(home)]
    return sorted((each[0] for each in told if each is not None), key=lambda one: (one.created, one.token))


@dataclass(frozen=True)
class Settled:
    """Submissions after a look at the queue."""

    submissions: tuple[Submission, ...]
    """Those that Slurm has or had, and those of which it is not yet known (without an id)."""
    dropped: tuple[Submission, ...] = ()
    """Those that never reached Slurm: their submitter was killed, or sbatch had no answer."""


def settle(home: Path, submissions: Sequence[Submission], queue: Queue, now: float | None = None) -> Settled:
    """Find out about submissions whose id was lost, from a queue that was looked at after they were listed.

    One that the queue shows gets its id. One that a queue that answered does not show is given up a minute after it was
    written down; should it reach Slurm later all the same, its tasks go as soon as they start. Those of another Slurm
    or user are left alone.

    Raises:
        StorageError: what was found out could not be written down.
    """
    now = time.time() if now is None else now
    seen = {entry.token: entry.job_id.partition("_")[0] for entry in queue.entries}
    kept: list[Submission] = []
    dropped: list[Submission] = []
    for each in submissions:
        folder = tokens.folder_of(home, each.token)
        if each.token in queue.foreign:
            pass
        elif each.job_id is None and each.token in seen:
            each = replace(each, job_id=tokens.decide(folder, seen[each.token]))
        elif each.job_id is None and queue.reachable and now - each.created > GRACE_SECONDS:
            each = replace(each, job_id=give_up(folder))
            if each.job_id is None:
                dropped.append(each)
                continue
        kept.append(each)
    return Settled(tuple(kept), tuple(dropped))


def give_up(folder: Path) -> str | None:
    """Drop a submission; its id instead, if a job of it has started meanwhile."""
    word = tokens.decide(folder, tokens.DROPPED)
    if word != tokens.DROPPED:
        return word
    tokens.remove(folder)
    return None
