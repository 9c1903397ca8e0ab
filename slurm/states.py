"""Slurm's words for the state of a job."""

from __future__ import annotations

from slurm.requests import Phase

_PENDING = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "EXPIRED", "FAILED", "LAUNCH_FAILED", "NODE_FAIL",
    "OUT_OF_MEMORY", "PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT",
}  # fmt: skip


def phase_of(state: str) -> Phase:
    """What a state means to us. A job in a state that we do not know is not over: nobody may take its place."""
    if state in _PENDING:
        return "pending"
    return "ended" if state in _ENDED else "running"
