"""What does the arithmetic: a CPU and a GPU give different bits, so which of them a job uses is part of its key."""

from __future__ import annotations

import os
from typing import Literal

from ground.errors import ConfigError, NodeError
from harness import allocation
from slurm.executor import visible_gpus

Device = Literal["cpu", "cuda"]
Wanted = Literal["auto", "cpu", "cuda"]


def choose(wanted: Wanted, gpu: bool | None = None) -> Device:
    """The class of device that a job will use. Loads no CUDA.

    Args:
        wanted: ``auto`` is CUDA where a GPU is to be seen.
        gpu: whether one will be to be seen, where the job runs elsewhere.
    """
    if wanted == "auto":
        return "cuda" if (bool(visible_gpus()) if gpu is None else gpu) else "cpu"
    return wanted


def hold_to(device: Device) -> None:
    """Make a job's process use the class of device that it was planned for; before anything loads CUDA.

    Raises:
        ConfigError: a GPU was planned and there is none to be used.
        NodeError: likewise, in a job of Slurm, which has promised one.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return
    import torch

    if not torch.cuda.is_available() and (place := allocation.here()):
        problem = "the job was planned for a GPU and torch finds none on this node"
        remedy = (
            "If every node says so: a torch without CUDA, or no `module load` in the cluster profile (`setup`). "
            f"If this one alone: leave it out there, `options: {{exclude: {place.node or 'NODE'}}}`."
        )
        raise NodeError(place.node or "node", problem, remedy)
    if not torch.cuda.is_available():
        remedy = (
            "Mend the driver or install torch with CUDA; or run on the CPU: "
            "--set pretrain.train.device=cpu --set transfer.device=cpu."
        )
        raise ConfigError("device", "the job was planned for a GPU and torch finds none", remedy)
