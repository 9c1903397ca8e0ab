"""What a weights file holds, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

WRAPPERS = ("state_dict", "model", "model_state_dict", "model_state", "network", "net", "weights", "blobs")
"""Keys below which checkpoints keep their network, the likelier first."""


@dataclass(frozen=True)
class Contents:
    """A file as it was read: nothing of it has been executed."""

    kind: str
    """``safetensors``, ``torch`` or ``pickle``."""
    tree: Mapping[str, Any]
    """Its outermost mapping."""
    header: dict[str, str] = field(default_factory=dict)
    """A safetensors file's own words."""
    placeholders: tuple[str, ...] = ()
    """Classes and functions that it names and that were not loaded."""


@dataclass(frozen=True)
class Network:
    """The tensors of a checkpoint's network."""

    wrapper: str
    """The key they were under; empty if they lay bare."""
    tensors: dict[str, Tensor]
    beside: dict[str, int]
    """What else lay next to them: its key and how many tensors are in it."""


def network(contents: Contents) -> Network:
    """The network in a checkpoint: the first of ``WRAPPERS`` that holds named tensors, or the file itself.

    Without any tensor the result is empty; the gate says so.
    """
    tree = contents.tree
    if not _named(tree):
        for wrapper in WRAPPERS:
            inner = tree.get(wrapper)
            if isinstance(inner, Mapping) and (found := _named(inner)):
                beside = {str(key): _count(value) for key, value in tree.items() if key != wrapper}
                return Network(wrapper, found, beside)
    beside = {str(key): _count(value) for key, value in tree.items() if not _is_array(value)}
    return Network("", _named(tree), beside)


def _named(mapping: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {str(name): _tensor(value) for name, value in mapping.items() if _is_array(value)}


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiub")


def _tensor(value: Tensor | np.ndarray[Any, Any]) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    # A copy: a pickle's arrays may be read-only, of another byte order or laid out backwards.
    return torch.from_numpy(np.array(value, dtype=value.dtype.newbyteorder("="), order="C"))


def _count(value: Any) -> int:
    """Tensors in a nested value."""
    if _is_array(value):
        return 1
    if isinstance(value, Mapping):
        return sum(_count(each) for each in value.values())
    return sum(_count(each) for each in value) if isinstance(value, list | tuple) else 0
