"""What computes, and how repeatably."""

from __future__ import annotations

import os

import torch

from ground.errors import ConfigError
from transfer.config import TaskConfig


def make_repeatable(device: torch.device) -> None:
    """Have torch choose algorithms that give the same bits again: on the CPU all of them, on CUDA cuDNN and cuBLAS.

    Called before the first work on ``device``: cuBLAS reads its setting once.
    """
    torch.use_deterministic_algorithms(device.type == "cpu")
    # A debugging aid of deterministic mode that costs 5 % here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def choose_device(config: TaskConfig) -> torch.device:
    """The device asked for; ``auto`` is CUDA where there is one.

    Raises:
        ConfigError: CUDA is asked for and there is none.
    """
    present = torch.cuda.is_available()
    if config.device == "cuda" and not present:
        raise ConfigError("field `device`", "`cuda` is asked for and this machine has none", "Set `device: auto`.")
    return torch.device("cuda" if present and config.device != "cpu" else "cpu")
