"""Whether a cluster takes what a profile asks of it, before anything is submitted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ground.errors import ConfigError
from slurm import commands
from slurm.cluster import Cluster
from slurm.discover import discover
from slurm.requests import Request, Submission, Task
from slurm.submit import REMEDY
from slurm.tokens import Call

_NO_NODES = re.compile(r"node configuration is not available", re.IGNORECASE)
_OUT = re.compile(r"drain|down|fail|maint|unk|boot|[*$]")
"""States of nodes as sinfo has them; ``*``: does not respond, ``$``: reserved for maintenance."""
NEEDED = ("sbatch", "squeue", "scancel", "scontrol")


def check(cluster: Cluster, requests: Mapping[Request, str]) -> None:
    """Ask sbatch about each distinct request, without submitting it (``--test-only``). A controller that is away for a
    while is no reason not to begin: whoever submits waits for it. Nor are nodes that would do and are drained, down or
    in maintenance, if sbatch holds that against a request.

    Args:
        requests: with the words by which the user knows each: what for, and which field of which profile says it.

    Raises:
        Unavailable: such nodes; all else is in order.
        ConfigError: there is no Slurm here, it would refuse a request (in sbatch's own words) or never start it.
    """
    commands.require(*NEEDED)
    commands.require_configuration()
    distinct = {replace(each, exclude=()): words for each, words in requests.items()}
    absent: list[commands.Unavailable] = []
    for request, name in distinct.items():
        answer = commands.run("sbatch", "--test-only", text=_script(cluster, request))
        words = answer.words or answer.output.strip()
        if answer.code and commands.away(words):
            return
        where = f"{name}: {_words(request)}"
        if answer.code and _NO_NODES.search(words) and (nodes := _absent(request.partition)):
            absent.append(commands.Unavailable(where, f"Slurm says: {words}; {nodes}", "The jobs wait for them."))
        elif answer.code and not commands.full(words):
            raise commands.complaint(where, words, REMEDY)
    _check_hours(distinct)
    if absent:
        raise absent[0]


def _absent(partition: str | None) -> str:
    """Which nodes of a partition, or of the default one, are no use now, in words; empty if none are."""
    answer = commands.run("sinfo", "--noheader", "--format=%P|%T|%N")
    names, found = partition.split(",") if partition else None, []
    for line in answer.output.splitlines():
        name, _, rest = line.strip().partition("|")
        state, _, nodes = rest.partition("|")
        meant = name.removesuffix("*") in names if names else name.endswith("*")
        if meant and _OUT.search(state):
            found.append(f"{nodes} {state}")
    return f"of its nodes these are not to be had now: {', '.join(found)}" if found else ""


def _check_hours(requests: Mapping[Request, str]) -> None:
    """Slurm takes a job that wants more time than its partition gives, unless the site enforces its limits, and lets it
    wait for ever. A quality of service may allow more."""
    try:
        partitions = {each.name: each for each in discover().partitions}
    except commands.Unavailable:
        return
    default = next((each for each in partitions.values() if each.default), None)
    for request, asking in requests.items():
        names = (request.partition or (default.name if default else "")).split(",")
        limits = [partitions[name].hours for name in names if name in partitions]
        known = [hours for hours in limits if hours is not None]
        if request.qos or not known or len(known) < len(limits):
            continue
        if request.minutes > max(known) * 60:
            problem = (
                f"{request.minutes / 60:g} h are asked for, and partition {','.join(names)} gives {max(known):g} h"
            )
            raise ConfigError(asking, problem, "Lower kinds.<kind>.hours: a job goes on from its checkpoint.")


def _script(cluster: Cluster, request: Request) -> str:
    from slurm.batch import Batch

    submission = Submission("hb-check", request, (Task("check", ()),), (), 0.0)
    return Batch(Path.cwd(), cluster, submission, Call("", {})).text()


def _words(request: Request) -> str:
    """A request as the user would look for it in the profile."""
    cpus = request.cpus_per_task * request.tasks_per_node
    parts = [f"{request.nodes} nodes each with"] if request.nodes > 1 else []
    parts = [" ".join([*parts, f"{cpus} CPU{'' if cpus == 1 else 's'}"])]
    if request.memory_mb is not None:
        parts.append(f"{request.memory_mb / 1024:g}G")
    if request.gpus_per_node:
        parts.append(f"{request.gpus_per_node} GPU{'' if request.gpus_per_node == 1 else 's'}")
    parts.append(f"{request.minutes} min")
    names = ("partition", "account", "qos", "constraint")
    return ", ".join([*parts, *(f"{name} {getattr(request, name)}" for name in names if getattr(request, name))])
