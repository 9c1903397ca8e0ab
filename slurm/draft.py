"""A cluster profile drafted from what a Slurm says of itself, with its words as comments."""

from __future__ import annotations

import json
import math

from slurm.cluster import Cluster
from slurm.discover import Partition, Site

DAY_HOURS = 24.0
WARNING_SECONDS: int = Cluster.model_fields["warning_seconds"].default
NODE_SHARE = 0.9
"""Of a node's memory that jobs are given; the rest is the system's."""


def draft(site: Site, partition: Partition) -> str:
    """The YAML text of a profile for jobs in ``partition``."""
    node = partition.typical
    each = max(node.gpus, 1)
    head = [
        f"# Drafted by `harness cluster init` from what Slurm {site.version} of the cluster {site.name} says.",
        "# Change what does not suit you; `harness cluster show NAME` checks the file and prints what holds.",
        f"description: the cluster {site.name}",
        "executor: slurm",
        "",
        "# " + "\n# ".join(["partitions:", *(f"  {line(each)}" for each in site.partitions)]),
        f"partition: {_scalar(partition.name)}",
        "# account: NAME        # where the site wants one; likewise qos, constraint",
        *_gpus(partition),
        f"memory_per_node: {max(node.memory_mb, 1)}M    # more is never asked for, whatever a job ran out of",
        "",
    ]
    return "\n".join([*head, *_kinds(partition, each), *_warning(partition), *_rest(site)]) + "\n"


def line(partition: Partition) -> str:
    """A partition on one line."""
    limit = "no time limit" if partition.hours is None else f"at most {partition.hours:g} h"
    nodes = ", ".join(
        f"{group.count} node{'s' * (group.count > 1)} of {group.cpus} CPUs, {group.memory_mb / 1024:.0f} GiB"
        + (f", {group.gpus} GPUs{f' ({group.gpu_type})' if group.gpu_type else ''}" if group.gpus else "")
        for group in partition.nodes
    )
    notes = [limit, nodes]
    notes += [] if partition.preempt == "OFF" else [f"jobs may be pre-empted ({partition.preempt})"]
    notes += [] if partition.open else ["not open to everybody"]
    notes += [] if partition.up else ["not up"]
    return f"{partition.name}{' (default)' if partition.default else ''}: {'; '.join(notes)}"


def _gpus(partition: Partition) -> list[str]:
    node = partition.typical
    if not node.gpus:
        return ["gpus_per_node: 0"]
    kind = [] if node.gpu_type is None else [f"gpu_type: {_scalar(node.gpu_type)}"]
    words = f"# gpus: {partition.gpus}    # that you may expect to have at once: `harness plan` reckons with it"
    return [f"gpus_per_node: {node.gpus}", *kind, words]


def _kinds(partition: Partition, each: int) -> list[str]:
    """What a job of each kind asks for; ``each`` processes share a node."""
    node = partition.typical
    hours = _hours(partition)
    share = f"cpus: {max(node.cpus // each, 1)}, memory: {_memory(node.memory_mb / each)}"
    one, many = (1, node.gpus) if node.gpus else (0, 0)
    return [
        "# of each process: cpus, memory; of a job: gpus, hours. One that needs longer goes on from its checkpoint.",
        "kinds:",
        f"  prepare: {{gpus: {one}, {share}, hours: {hours:g}}}",
        f"  pretrain: {{gpus: {many}, {share}, hours: {hours:g}}}",
        f"  transfer: {{gpus: {one}, {share}, hours: {hours:g}}}",
        f"  import: {{gpus: 0, {share}, hours: {min(1.0, hours):g}}}",
        "",
    ]


def _hours(partition: Partition) -> float:
    """Time limit of a job."""
    return DAY_HOURS if partition.hours is None else min(DAY_HOURS, math.floor(partition.hours * 60) / 60)


def _warning(partition: Partition) -> list[str]:
    """In a partition for short jobs alone the usual warning would come when they start."""
    most = round(_hours(partition) * 3600) // 2
    return [f"warning_seconds: {most}"] if most < WARNING_SECONDS else []


def _rest(site: Site) -> list[str]:
    settings = site.settings
    mode = f"{settings.get('PreemptMode', '?')} by {settings.get('PreemptType', '?').removeprefix('preempt/')}"
    accounted = settings.get("AccountingStorageType", "").endswith("slurmdbd")
    return [
        "# setup:               # lines of shell before each job",
        "#   - module load cuda",
        f"# pre-emption: {mode}; a job has {settings.get('KillWait', '?')} after SIGTERM",
        f"# arrays: at most {settings.get('MaxArraySize', '?')} tasks (max_array; asked of Slurm each time)",
        "# keeper: {hours: 12}  # a small job that looks after the others where `harness run --detach` has returned",
        f"accounting: {json.dumps(accounted)}       # whether sacct is worth asking",
    ]


def _memory(megabytes: float) -> str:
    usable = megabytes * NODE_SHARE
    return f"{int(usable / 1024)}G" if usable >= 10 * 1024 else f"{max(int(usable), 1)}M"


def _scalar(text: str) -> str:
    """A name that YAML would take for something else, e.g. a number, is quoted."""
    return text if text.isidentifier() and text.lower() not in _WORDS else json.dumps(text)


_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
