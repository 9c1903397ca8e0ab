"""Whether tensors are what their arithmetic needs, before any is cast or copied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ground.errors import WeightsError

_NUMBERS = frozenset(
    {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool}
    | {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
)


def check(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are no plain arrays of numbers in memory.

    Args:
        path: the file that they are from.
        tensors: as they were read.

    Raises:
        WeightsError: one is sparse or nested, has no values (device ``meta``), is of quantised or complex numbers; or
            all together stand for more values than the file has bytes, as expanded ones do.
    """
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_nested:
            raise WeightsError(path, f"holds a sparse tensor in `{name}`", "Save it dense (`to_dense()`).")
        if tensor.device.type != "cpu":
            problem = f"holds a tensor without values in `{name}` (device `{tensor.device.type}`)"
            raise WeightsError(path, problem, "Save the network after its values were loaded.")
        if tensor.dtype not in _NUMBERS:
            problem = f"holds {tensor.dtype} values in `{name}`, as a quantised or complex network does"
            raise WeightsError(path, problem, "Name weights in floating point.")
    values, size = sum(tensor.numel() for tensor in tensors.values()), path.stat().st_size
    if values > size:
        name = max(tensors, key=lambda each: tensors[each].numel())
        shape = "x".join(map(str, tensors[name].shape))
        problem = f"has {size} bytes for {values} values: tensors are expanded, the largest `{name}` to {shape}"
        raise WeightsError(path, problem, "Save copies of them (`clone()`).")
