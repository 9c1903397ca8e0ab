"""What computes."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from ground.errors import ConfigError


def choose(wanted: str, field: str) -> torch.device:
    """The device asked for (``auto``, ``cpu`` or ``cuda``) in the setting ``field``; a GPU if there is one.

    Raises:
        ConfigError: CUDA was asked for and is absent.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError(field, "`cuda` is not available", f"Use {field}=auto or mend the driver.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def be_reproducible(device: torch.device) -> None:
    """Have torch give the same bits each time: on CUDA where it can, with a warning where not.

    Called before the first work on ``device``: cuBLAS reads its setting once.
    """
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")
    # Nothing here reads what it has not written, and filling costs a pass over memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def moved(values: Tensor, device: torch.device) -> Tensor:
    """CPU tensors on ``device``; the host does not wait for the copy, as it would from memory that can be paged out."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)
