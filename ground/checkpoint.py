"""What a training needs to go on as if nothing had happened."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any, Protocol

import torch

from ground.errors import WeightsError
from ground.files import atomic_path

_REMEDY = "Delete the file to start this run anew."


class Stateful(Protocol):
    """A model, an optimiser, a scaler."""

    def state_dict(self) -> dict[str, Any]:
        """All that decides what comes next."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Become what ``state_dict`` was taken from."""
        ...


def save(path: Path, step: int, parts: dict[str, Stateful], metrics: dict[str, float] | None = None) -> None:
    """Replace ``path`` by ``step``, every part's state and ``metrics``; a kill leaves the old file or the new.

    Raises:
        StorageError: the disk is full or not writable.
    """
    state = {"step": step, "metrics": metrics or {}} | {name: part.state_dict() for name, part in parts.items()}
    # Through memory: torch reports a full disk as a RuntimeError that names no cause.
    whole = io.BytesIO()
    torch.save(state, whole)
    with atomic_path(path) as temporary:
        temporary.write_bytes(whole.getbuffer())


def restore(path: Path, parts: dict[str, Stateful], device: torch.device) -> tuple[int, dict[str, float]]:
    """Load every part from what ``save`` left; its step and metrics, (0, {}) if there is nothing.

    Raises:
        WeightsError: the file is broken, of another network, or lacks a part.
    """
    if not path.exists():
        return 0, {}
    # torch.load meets such a file with anything from an EOFError without words to an OSError.
    if not zipfile.is_zipfile(path):
        raise WeightsError(path, "is no checkpoint of this run (it is empty or cut short)", _REMEDY)
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        lacking = [name for name in parts if name not in state]
        if lacking:
            raise WeightsError(path, f"has no part `{lacking[0]}`: another version wrote it", _REMEDY)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["step"]), dict(state["metrics"])
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError) as error:
        problem = f"is no checkpoint of this run ({' '.join(str(error).split())[:200]})"
        raise WeightsError(path, problem, _REMEDY) from error
