"""What a job asks of a cluster: its kind's resources in the profile, the task's own number of processes, what it has
learnt from earlier starts."""

from __future__ import annotations

import math
import re
from collections.abc import Collection

from ground.errors import ConfigError
from harness.jobs import KINDS, Job, Kind
from slurm.cluster import Cluster, Resources
from slurm.requests import Request

_MEGABYTES = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}


def resources(cluster: Cluster, kind: Kind) -> Resources:
    """What the profile gives jobs of a kind."""
    found: Resources = getattr(cluster.kinds, "import_" if kind == "import" else kind)
    return found


def on_gpus(cluster: Cluster) -> frozenset[str]:
    """Kinds of job that get a GPU there."""
    return frozenset(kind for kind in KINDS if cluster.gpus_per_node and resources(cluster, kind).gpus)


def processes(job: Job, cluster: Cluster) -> int:
    """How many a job has: one a GPU of a pre-training, as many as its task says of a fine-tuning, else one."""
    if job.kind == "transfer":
        return int(job.config.get("processes", 1))
    if job.kind == "pretrain" and not job.config.get("initial"):
        given = resources(cluster, job.kind)
        return given.gpus if job.device_class == "cuda" else given.processes
    return 1


def request(job: Job, cluster: Cluster, *, memory_failures: int = 0, exclude: Collection[str] = ()) -> Request:
    """What sbatch is asked for.

    Args:
        memory_failures: how often it ran out of memory; each time it asks for ``memory_factor`` as much.
        exclude: nodes that it must not come to.

    Raises:
        ConfigError: the profile gives no GPU to a job that is planned for one.
    """
    given, number = resources(cluster, job.kind), processes(job, cluster)
    on_gpu = job.device_class == "cuda"
    if on_gpu and job.kind not in on_gpus(cluster):
        problem = f"gives no GPU to `{job.kind}`, and {job.title} is planned for one"
        raise ConfigError("cluster profile", problem, f"Set kinds.{job.kind}.gpus and gpus_per_node, or device: cpu.")
    nodes = _nodes(number, cluster.gpus_per_node) if on_gpu else 1
    each = number // nodes
    memory = _memory(given, each, cluster, memory_failures)
    return Request(
        nodes=nodes,
        tasks_per_node=each,
        gpus_per_node=each if on_gpu else 0,
        cpus_per_task=given.cpus,
        minutes=math.ceil(given.hours * 60),
        memory_mb=None if memory is None else math.ceil(memory),
        partition=given.partition or cluster.partition,
        account=given.account or cluster.account,
        qos=given.qos or cluster.qos,
        constraint=given.constraint or cluster.constraint,
        exclude=tuple(sorted(exclude)),
    )


def _memory(given: Resources, each: int, cluster: Cluster, failures: int) -> float | None:
    """Of a node, in MiB: raised with each failure, to what a node has and no further."""
    if given.memory is None:
        return None
    first = megabytes(given.memory) * each
    raised = first * cluster.memory_factor**failures
    if cluster.memory_per_node is None or raised <= first:
        return raised
    return max(min(raised, megabytes(cluster.memory_per_node)), first)


def has_all_memory(job: Job, cluster: Cluster, *, memory_failures: int) -> bool:
    """Whether a start asked for all that a node has, so that there is no more to ask for."""
    asked = request(job, cluster, memory_failures=memory_failures).memory_mb
    most = cluster.memory_per_node
    return asked is not None and most is not None and asked >= megabytes(most)


def most_hours(kind: Kind, cluster: Cluster) -> float:
    """Hours over all its attempts after which a job of a kind is given up."""
    return cluster.max_hours or 4 * resources(cluster, kind).hours


def megabytes(memory: str) -> float:
    """``64G`` in MiB."""
    number, unit = re.fullmatch(r"(\d+)([KMGT])", memory).groups()  # type: ignore[union-attr]
    return int(number) * _MEGABYTES[unit]


def _nodes(processes: int, per_node: int) -> int:
    """The fewest nodes that share the processes evenly."""
    return next(n for n in range(1, processes + 1) if processes % n == 0 and processes // n <= per_node)
