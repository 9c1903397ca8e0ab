"""What training needs to go on as if nothing had happened, and what it hands over when done."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors
from torch import nn

from ground.errors import WeightsError
from ground.files import atomic_path

Parts = dict[str, Any]


def save(path: Path, step: int, metrics: dict[str, float], parts: Parts) -> None:
    """Write ``step``, ``metrics`` and every part's ``state_dict`` atomically: a kill leaves the old file or the new."""
    state = {"step": step, "metrics": metrics} | {name: part.state_dict() for name, part in parts.items()}
    # Through memory: torch reports a full disk as a RuntimeError without errno.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    _write(path, buffer.getbuffer())


def restore(path: Path, parts: Parts, device: torch.device) -> tuple[int, dict[str, float]]:
    """Load every part from a checkpoint of ours; its step and metrics, (0, {}) if there is none.

    Raises:
        WeightsError: the file is broken or of another network.
    """
    if not path.exists():
        return 0, {}
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["step"]), dict(state["metrics"])
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        remedy = "Delete the file to start this run anew."
        raise WeightsError(path, f"is no checkpoint of this run ({line})", remedy) from error


def export_backbone(path: Path, resnet: nn.Module) -> None:
    """The backbone with torchvision's tensor names, BN statistics included, no classifier, as safetensors."""
    tensors = {name: value.cpu().contiguous() for name, value in resnet.state_dict().items()}
    _write(path, memoryview(safetensors(tensors)))


def _write(path: Path, content: memoryview) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
