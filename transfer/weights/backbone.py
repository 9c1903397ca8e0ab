"""The gate every pre-trained backbone passes: all of its tensors load, or none."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ground.errors import WeightsError

_COUNTER = "num_batches_tracked"


def load_backbone(net: nn.Module, path: Path) -> None:
    """Fill ``net`` (`ground.backbones.build`) from a safetensors file with torchvision's tensor names and no ``fc``.

    Batch-norm step counters are optional: nothing reads them.

    Raises:
        WeightsError: the file is missing, broken, lacks or adds a tensor, holds one of another shape or
            a value that is not finite.
    """
    found = _read(path)
    wanted = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith(_COUNTER)}
    _refuse(path, sorted(wanted.keys() - found.keys()), len(wanted), "lacks")
    _refuse(path, sorted(found.keys() - wanted.keys()), len(found), "has the unexpected")
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            problem = f"`{name}` is {_shape(tensor)} where the network has {_shape(wanted[name])}"
            raise WeightsError(path, problem, _FIT)
        if not torch.isfinite(tensor).all():
            raise WeightsError(path, f"`{name}` holds values that are not finite", "Pre-train again: it diverged.")
    net.load_state_dict(found, strict=False)


_FIT = "Set `model.backbone` to the network the weights were trained with."


def _read(path: Path) -> dict[str, Tensor]:
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise WeightsError(path, "no such file", "Pre-train first, or correct the path.") from None
    except SafetensorError as error:
        problem = f"is empty or cut short, or no safetensors file ({error})"
        raise WeightsError(path, problem, "Write or copy it again.") from None
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(_COUNTER)}


def _refuse(path: Path, names: list[str], total: int, verb: str) -> None:
    if names:
        shown = ", ".join(f"`{name}`" for name in names[:3]) + (", …" if len(names) > 3 else "")
        count = f" ({len(names)} of {total} tensors)" if len(names) > 1 else ""
        raise WeightsError(path, f"{verb} tensor {shown}{count}", _FIT)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"
