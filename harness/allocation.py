"""What Slurm says of this process: which job it is of, for which time, on which nodes; and how to start it anew."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

REQUEUE_SECONDS = 60.0
ANSWER_SECONDS = 10.0
"""That Slurm gets to say whether it pre-empts us: its patience with us has begun to run."""
NAMES = (
    "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT", "SLURM_JOB_NODELIST",
    "SLURMD_NODENAME", "SLURM_STEP_ID",
)  # fmt: skip
"""Variables that are read here: to be unset for a job that is not Slurm's own but was started inside one."""


@dataclass(frozen=True)
class Allocation:
    """A job of Slurm, as it says itself."""

    id: str
    """``123``, or ``123_4`` of an array: what commands of Slurm take."""
    restart: int
    """How often it was requeued before."""
    nodes: str
    """All its nodes, as Slurm writes them: ``gpu[01-02]``."""
    node: str
    """The one that this process runs on."""
    launch: str
    """Equal for the processes that one ``srun`` has started, and for no others ever."""


def here() -> Allocation | None:
    """This process's allocation; None outside Slurm."""
    job = os.environ.get("SLURM_JOB_ID", "")
    if not job:
        return None
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID", ""), os.environ.get("SLURM_ARRAY_TASK_ID", "")
    restart = os.environ.get("SLURM_RESTART_COUNT", "")
    number = int(restart) if restart.isdigit() else 0
    return Allocation(
        id=f"{array}_{index}" if array and index else job,
        restart=number,
        nodes=os.environ.get("SLURM_JOB_NODELIST", ""),
        node=os.environ.get("SLURMD_NODENAME", ""),
        launch=f"{job}.{os.environ.get('SLURM_STEP_ID', '0')}-{number}",
    )


def in_grace(allocation: Allocation) -> bool:
    """Whether Slurm pre-empts this job and gives it a grace (``GraceTime`` of its partition or QOS).

    Who ends by himself within that is over for Slurm, and not begun anew; without a grace it is Slurm that ends him.
    """
    command = ["scontrol", "show", "job", allocation.id]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    words = dict(word.partition("=")[::2] for word in answer.stdout.split())
    return words.get("JobState") == "RUNNING" and words.get("PreemptTime", "None") not in {"None", "Unknown"}


def requeue(allocation: Allocation) -> str:
    """Ask Slurm to start the job anew, which ends this process soon; Slurm's words if it will not, else empty."""
    command = ["scontrol", "requeue", allocation.id]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=REQUEUE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if answer.returncode == 0 else (answer.stderr.strip() or f"scontrol ended with {answer.returncode}")
