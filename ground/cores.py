"""How many processor cores are ours: what the scheduler, the container and the batch system leave of the machine's."""

from __future__ import annotations

import math
import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
JOBS_AT_ONCE = "HARNESS_JOBS_AT_ONCE"
"""Variable by which who starts several jobs on one machine tells them how many share its cores."""


def usable() -> int:
    """Cores that this process may keep busy, at least one: the least of affinity, cgroup quota and Slurm's share."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, _quota() or affinity, _number("SLURM_CPUS_PER_TASK") or affinity))


def share() -> int:
    """Cores of ``usable`` for this process when others of its job, and other jobs, have theirs: at least one."""
    # Slurm's CPUs are a task's already.
    beside = 1 if _number("SLURM_CPUS_PER_TASK") else _number("LOCAL_WORLD_SIZE") or 1
    return max(1, usable() // (beside * (_number(JOBS_AT_ONCE) or 1)))


def _number(variable: str) -> int | None:
    """The value of an environment variable, if it is a positive number."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() and int(text) else None


def _quota() -> int | None:
    """Cores' worth of time that a container may take, if it is bounded."""
    try:
        limit, period = QUOTA.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else math.ceil(int(limit) / int(period))
