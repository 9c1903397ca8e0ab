"""What a Slurm says of itself: partitions, their limits and nodes, the controller's settings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from slurm import commands


@dataclass(frozen=True)
class Nodes:
    """Nodes of a partition that are alike."""

    count: int
    cpus: int
    memory_mb: int
    gpus: int
    gpu_type: str | None


@dataclass(frozen=True)
class Partition:
    """Where jobs may be sent."""

    name: str
    default: bool
    up: bool
    open: bool
    """To every account and group; to others an administrator lets in whom it likes."""
    hours: float | None
    """Longest time limit; None: there is none."""
    preempt: str
    """What happens to its jobs when others are preferred: OFF, REQUEUE, CANCEL, SUSPEND, …"""
    nodes: tuple[Nodes, ...]

    @property
    def gpus(self) -> int:
        """Of all its nodes."""
        return sum(each.count * each.gpus for each in self.nodes)

    @property
    def typical(self) -> Nodes:
        """Its nodes with GPUs of which there are most, else those of which there are most."""
        return max(self.nodes, key=lambda each: (each.gpus > 0, each.count * max(each.gpus, 1)))


@dataclass(frozen=True)
class Site:
    """One cluster."""

    name: str
    version: str
    settings: dict[str, str]
    """Of the controller, as ``scontrol show config`` has them."""
    partitions: tuple[Partition, ...]

    def best(self) -> Partition:
        """Where a profile sends jobs unless told otherwise: up, open, with GPUs, the default, with the most of them."""

        def rank(each: Partition) -> tuple[bool, bool, bool, bool, int, float]:
            longest = float("inf") if each.hours is None else each.hours
            return each.up, each.open, each.gpus > 0, each.default, each.gpus, longest

        return max(self.partitions, key=rank)


def discover() -> Site:
    """Ask Slurm.

    Raises:
        ConfigError: there is no Slurm on this machine, or it has no partition with nodes.
        Unavailable: it does not answer.
    """
    commands.require("scontrol", "sinfo")
    commands.require_configuration()
    settings = dict(re.findall(r"^(\w+)\s*= ?(.*)$", _ask("scontrol", "show", "config"), re.MULTILINE))
    nodes: dict[str, list[Nodes]] = {}
    for line in _ask("sinfo", "--noheader", "--exact", "--format=%P|%D|%c|%m|%G").splitlines():
        name, count, cpus, memory, generic = line.strip().split("|", 4)
        gpus, gpu_type = _gpus(generic)
        group = Nodes(int(count), _number(cpus), _number(memory), gpus, gpu_type)
        nodes.setdefault(name.removesuffix("*"), []).append(group)
    told = [
        dict(re.findall(r"(\w+)=(\S*)", line))
        for line in _ask("scontrol", "show", "partition", "--oneliner").splitlines()
    ]
    partitions = [_partition(each, nodes[each["PartitionName"]]) for each in told if each.get("PartitionName") in nodes]
    if not partitions:
        raise commands.complaint("sinfo", "no partition with nodes that you may see", "Ask your cluster's support.")
    return Site(settings.get("ClusterName", "slurm"), settings.get("SLURM_VERSION", ""), settings, tuple(partitions))


def _ask(*command: str) -> str:
    answer = commands.run(*command)
    if answer.code:
        raise commands.complaint(
            " ".join(command[:3]), answer.words or answer.output.strip(), "Ask your cluster's support."
        )
    return answer.output


def _partition(told: dict[str, str], nodes: list[Nodes]) -> Partition:
    return Partition(
        name=told["PartitionName"],
        default=told.get("Default") == "YES",
        up=told.get("State") == "UP",
        open=told.get("AllowAccounts", "ALL") == "ALL" and told.get("AllowGroups", "ALL") == "ALL",
        hours=hours(told.get("MaxTime", "UNLIMITED")),
        preempt=told.get("PreemptMode", "OFF"),
        nodes=tuple(nodes),
    )


def hours(limit: str) -> float | None:
    """``2-12:30:00`` in hours; None for no limit."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", limit)
    if match is None:
        return None
    days, hour, minute, second = (int(part or 0) for part in match.groups())
    return days * 24 + hour + minute / 60 + second / 3600


def _gpus(generic: str) -> tuple[int, str | None]:
    """``gpu:a100:4(S:0-1),shard:8`` → 4, a100. Of several types the one of which there are most."""
    found = re.findall(r"(?:^|,)gpu(?::([A-Za-z][\w.-]*))?:(\d+)", generic)
    if not found:
        return 0, None
    kind, count = max(found, key=lambda each: int(each[1]))
    return int(count), kind or None


def _number(text: str) -> int:
    """``64+``, of nodes that differ, is at least 64."""
    return int(re.sub(r"\D", "", text) or 0)
