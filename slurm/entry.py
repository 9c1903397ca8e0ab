"""``python -m slurm.entry FOLDER``: what srun starts in each process of a task.

Reads from a submission's folder what the task of this array index does, tells several processes about each other, and
does it. The exit code is what the function returns, if it returns a number; 0 otherwise.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from slurm import tokens

NOT_READ = 75
"""Exit code of a process that finds nothing of its submission: never 0, for what waits for it would begin."""


def main(folder: Path) -> int:
    """Do the task that this process is a part of."""
    told = tokens.read(folder)
    if told is None:
        print(f"{folder}: given up, or cannot be read on {socket.gethostname()}", file=sys.stderr)
        return NOT_READ
    submission, call = told
    task = submission.tasks[int(os.environ["SLURM_ARRAY_TASK_ID"])]
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        introduce()
    module, _, name = call.function.partition(":")
    target: Callable[..., object] = getattr(importlib.import_module(module), name)
    result = target(*task.arguments)
    return result if isinstance(result, int) else 0


def introduce() -> None:
    """Set what torch.distributed reads: WORLD_SIZE, RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT.

    Every process sees all GPUs of its node that the job has, and takes the one of its LOCAL_RANK.
    """
    from submitit.helpers import TorchDistributedEnvironment

    described = TorchDistributedEnvironment()
    described.master_addr = _address(described.master_addr)
    described.export(set_cuda_visible_devices=False, overwrite=True)


def _address(node: str) -> str:
    """Where the first node is found: by its name in Slurm, if that is a host's, else by the address that srun had."""
    try:
        socket.getaddrinfo(node, None)
    except OSError:
        return os.environ.get("SLURM_LAUNCH_NODE_IPADDR", node)
    return node


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
