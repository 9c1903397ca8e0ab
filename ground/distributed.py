"""One process or many: who we are, and what the processes share."""

from __future__ import annotations

import gc
import os

import torch
import torch.distributed as dist
from torch import Tensor

from ground import stopping
from ground.errors import ConfigError


def rank() -> int:
    """This process's number, 0 without a process group."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def start(device: torch.device) -> torch.device:
    """Join the process group that the launcher's environment describes (``WORLD_SIZE`` > 1), if there is one.

    Returns:
        The device of this process: of several on CUDA each has the GPU of its ``LOCAL_RANK``.

    Raises:
        ConfigError: there is no such GPU.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return device
    if device.type == "cuda":
        device = _own_gpu()
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def _own_gpu() -> torch.device:
    local, gpus = os.environ.get("LOCAL_RANK", ""), torch.cuda.device_count()
    if local not in map(str, range(gpus)):
        problem = f"`{local}` names none of the {gpus} GPUs of this machine"
        raise ConfigError("LOCAL_RANK", problem, "Start by torchrun, with at most one process a GPU.")
    return torch.device("cuda", int(local))


def stop() -> None:
    """Wait for all processes and leave the group.

    Call it when no DistributedDataParallel is left: one that outlives its group can hang the exit of its process.
    """
    if dist.is_initialized():
        gc.collect()
        dist.barrier()
        dist.destroy_process_group()


def gather(values: Tensor) -> Tensor:
    """``values`` (B, …) of all processes, concatenated in rank order; no gradient."""
    if world() == 1:
        return values
    values = values.contiguous()
    parts = [torch.empty_like(values) for _ in range(world())]
    dist.all_gather(parts, values)
    return torch.cat(parts)


def mean(values: Tensor) -> Tensor:
    """``values`` averaged over the processes; no gradient."""
    if world() > 1:
        dist.all_reduce(values)
    return values / world()


def asked(device: torch.device) -> str:
    """Why all processes are to stop now, the same on all of them; empty if none was asked to. Waits for ``device``.

    A signal reaches each at another step: they leave together only if they ask together, after the same step.
    """
    own = stopping.asked()
    if world() == 1:
        return own
    # The latest of the words counts: one that was told to go at once takes those along that have some time.
    words = ("", "SIGUSR2", "SIGTERM", "another process was asked to stop")
    told = torch.tensor(words.index(own) if own in words else len(words) - 1, dtype=torch.uint8, device=device)
    dist.all_reduce(told, dist.ReduceOp.MAX)
    return words[int(told)]


def of_first(decision: bool, device: torch.device) -> bool:
    """What the first process decided, on all of them; waits for ``device``."""
    told = torch.tensor(decision, dtype=torch.uint8, device=device)
    if world() > 1:
        dist.broadcast(told, src=0)
    return bool(told)


def group_sum(values: Tensor, share: int, group: int) -> Tensor:
    """Sums of ``values`` over groups of ``group`` images that span processes: (1,), no gradient.

    Args:
        values: this process's sum, (1,).
        share: images this process holds; ``group`` is a multiple of it.
        group: images a group has.
    """
    ranks_per_group = group // share
    everyone = gather(values)
    first = rank() // ranks_per_group * ranks_per_group
    return everyone[first : first + ranks_per_group].sum(0, keepdim=True)
