"""What fine-tuning needs to go on as if nothing had happened."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import torch
from torch import nn

from ground.errors import WeightsError
from ground.files import atomic_path


def save(path: Path, iteration: int, model: nn.Module, sgd: torch.optim.Optimizer) -> None:
    """Replace ``path`` by the state after ``iteration`` iterations; a kill leaves the old file or the new.

    Raises:
        StorageError: the disk is full or not writable.
    """
    # Through memory: torch reports a full disk as a RuntimeError that names no cause.
    whole = io.BytesIO()
    torch.save({"iteration": iteration, "model": model.state_dict(), "optimiser": sgd.state_dict()}, whole)
    with atomic_path(path) as temporary:
        temporary.write_bytes(whole.getbuffer())


def restore(path: Path, model: nn.Module, sgd: torch.optim.Optimizer, device: torch.device) -> int:
    """Load the state `save` left; the iterations it has behind it, 0 if there is none.

    Raises:
        WeightsError: the file is broken or of another network.
    """
    if not path.exists():
        return 0
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        sgd.load_state_dict(state["optimiser"])
        return int(state["iteration"])
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        problem = f"is no checkpoint of this run ({str(error)[:200]})"
        raise WeightsError(path, problem, "Delete it to start the run anew.") from error
