"""Whether a cluster takes what a profile asks of it, before anything is submitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ground.errors import ConfigError
from slurm import commands
from slurm.cluster import Cluster
from slurm.discover import discover
from slurm.requests import Request, Submission, Task
from slurm.submit import REMEDY
from slurm.tokens import Call

NEEDED = ("sbatch", "squeue", "scancel", "scontrol")


def check(cluster: Cluster, requests: Sequence[Request]) -> None:
    """Ask sbatch about each distinct request, without submitting it (``--test-only``). A controller that is away for a
    while is no reason not to begin: whoever submits waits for it.

    Raises:
        ConfigError: there is no Slurm here, it would refuse a request (in sbatch's own words) or never start it.
    """
    commands.require(*NEEDED)
    commands.require_configuration()
    distinct = list(dict.fromkeys(replace(each, exclude=()) for each in requests))
    for request in distinct:
        answer = commands.run("sbatch", "--test-only", text=_script(cluster, request))
        words = answer.words or answer.output.strip()
        if answer.code and commands.away(words):
            return
        if answer.code and not commands.full(words):
            raise commands.complaint(f"sbatch, asked for {_words(request)}", words, REMEDY)
    _check_hours(distinct)


def _check_hours(requests: Sequence[Request]) -> None:
    """Slurm takes a job that wants more time than its partition gives, unless the site enforces its limits, and lets it
    wait for ever. A quality of service may allow more."""
    try:
        partitions = {each.name: each for each in discover().partitions}
    except commands.Unavailable:
        return
    default = next((each for each in partitions.values() if each.default), None)
    for request in requests:
        names = (request.partition or (default.name if default else "")).split(",")
        limits = [partitions[name].hours for name in names if name in partitions]
        known = [hours for hours in limits if hours is not None]
        if request.qos or not known or len(known) < len(limits):
            continue
        if request.minutes > max(known) * 60:
            problem = (
                f"{request.minutes / 60:g} h are asked for, and partition {','.join(names)} gives {max(known):g} h"
            )
            raise ConfigError(
                "cluster profile", problem, "Lower kinds.<kind>.hours: a job goes on from its checkpoint."
            )


def _script(cluster: Cluster, request: Request) -> str:
    from slurm.batch import Batch

    submission = Submission("hb-check", request, (Task("check", ()),), (), 0.0)
    return Batch(Path.cwd(), cluster, submission, Call("", {})).text()


def _words(request: Request) -> str:
    """A request as the user would look for it in the profile."""
    size = f"{request.nodes} node(s) with {request.gpus_per_node} GPUs, {request.minutes} min"
    names = ("partition", "account", "qos", "constraint")
    return ", ".join([size, *(f"{name} {getattr(request, name)}" for name in names if getattr(request, name))])
