"""What Slurm knows of our tasks now, and calling them off.

One ``squeue`` tells all that the controller has in memory, ended tasks included; ``scontrol show job`` would ask it the
same. It forgets a task some minutes after its end (``MinJobAge``); then accounting may know it, or nobody.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ground.errors import ConfigError
from slurm import accounting, commands, origin
from slurm.cluster import Cluster
from slurm.requests import Entry, Queue, Submission
from slurm.states import phase_of

FIELDS = ("JobArrayID", "Name", "State", "exit_code", "restartcnt", "NodeList", "Reason")
_SEPARATOR = "|"
_IDS_AT_ONCE = 500


@dataclass(frozen=True)
class Limits:
    """What the controller allows."""

    array: int
    """Tasks of one array at most."""


def look(cluster: Cluster, submissions: Sequence[Submission], seconds: float = commands.SECONDS) -> Queue:
    """Ask Slurm about the tasks of ``submissions``, which were listed before. Raises nothing for a Slurm that is away.

    A task that is missing from a queue that answered is over, or was never known: what became of it is read where it
    wrote it down. That holds for our own submissions to this Slurm only; whose the others are is said in ``foreign``.

    Args:
        seconds: that the controller gets for an answer, and accounting at most.

    Raises:
        ConfigError: there is no Slurm on this machine.
    """
    if words := commands.unconfigured():
        return Queue(reachable=False, problem=words)
    answer = commands.run(
        "squeue",
        "--noheader",
        "--all",
        "--array",
        "--states=all",
        f"--user={os.getuid()}",
        f"--Format={','.join(f'{field}:{_SEPARATOR}' for field in FIELDS)}",
        seconds=seconds,
    )
    if answer.code:
        return Queue(reachable=False, problem=answer.words or f"squeue ended with {answer.code}")
    try:
        us = origin.here()
    except commands.Unavailable as error:
        return Queue(reachable=False, problem=error.problem)
    foreign = {each.token: words for each in submissions if (words := us.foreign(each))}
    wanted = {each.token: each for each in submissions if each.token not in foreign}
    found = {(entry.token, entry.index): entry for entry in _entries(answer.output, wanted)}
    lost = [s for s in wanted.values() if any((s.token, index) not in found for index in range(len(s.tasks)))]
    for entry in accounting.ended(lost, seconds) if cluster.accounting else ():
        if _is_ours(entry, wanted):
            found.setdefault((entry.token, entry.index), entry)
    return Queue(reachable=True, entries=tuple(found[place] for place in sorted(found)), foreign=foreign)


def _entries(output: str, wanted: dict[str, Submission]) -> Iterator[Entry]:
    for line in output.splitlines():
        parts = line.strip().split(_SEPARATOR, len(FIELDS) - 1)
        if len(parts) < len(FIELDS) or "_" not in parts[0]:
            continue
        identity, token, state, code, restarts, nodes, reason = (part.strip() for part in parts)
        index = identity.partition("_")[2]
        if not index.isdigit():
            continue
        entry = Entry(
            token=token,
            index=int(index),
            job_id=identity,
            phase=phase_of(state),
            state=state,
            reason="" if reason.rstrip(_SEPARATOR) == "None" else reason.rstrip(_SEPARATOR),
            nodes=nodes,
            exit_code=_exit(code),
            restarts=int(restarts) if restarts.isdigit() else 0,
        )
        if _is_ours(entry, wanted):
            yield entry


def _exit(status: str) -> str:
    """A status as wait(2) has it, ``768``, in the form of sacct: ``3:0``, exit code and signal."""
    return f"{int(status) >> 8}:{int(status) & 127}" if status.isdigit() else status


def _is_ours(entry: Entry, wanted: dict[str, Submission]) -> bool:
    """Whether it is a task of a submission. Two jobs may have a token, if an answer was lost: one of them holds it."""
    submission = wanted.get(entry.token)
    if submission is None or entry.index >= len(submission.tasks):
        return False
    return submission.job_id in {None, entry.job_id.partition("_")[0]}


def cancel(ids: Sequence[str]) -> None:
    """Call off arrays (``123``) or tasks (``123_4``); those that are over already are no fault.

    Raises:
        Unavailable: the controller does not answer.
        ConfigError: it refuses, or there is no Slurm here.
    """
    for start in range(0, len(ids), _IDS_AT_ONCE):
        answer = commands.run("scancel", "--quiet", *ids[start : start + _IDS_AT_ONCE])
        words = re.sub(r"[^;]*(Invalid job id|already completing or completed)[^;]*(; )?", "", answer.words)
        if answer.code and words.strip():
            raise commands.complaint("scancel", words, "Call off your own jobs only.")


def limits(cluster: Cluster) -> Limits:
    """What one array may hold: the profile's word, else the controller's.

    Raises:
        Unavailable: the controller does not answer.
        ConfigError: arrays are switched off there, or there is no Slurm here.
    """
    if cluster.max_array is not None:
        return Limits(cluster.max_array)
    answer = commands.run("scontrol", "show", "config")
    if answer.code:
        raise commands.complaint(
            "scontrol show config", answer.words or answer.output.strip(), "Ask your cluster's support."
        )
    found = [int(number) for number in re.findall(r"(?:MaxArraySize *= *|max_array_tasks=)(\d+)", answer.output)]
    size = min(found, default=1)
    if size < 1:
        raise ConfigError("MaxArraySize", "this Slurm allows no job arrays", "Ask its support to allow them.")
    return Limits(size)
