"""What a weights file holds, whatever kind of file it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transfer.weights.names import resnets

WRAPPERS = ("state_dict", "model", "model_state_dict", "model_state", "network", "net", "weights", "blobs")
"""Keys below which checkpoints keep their network, the likelier first."""
_AVERAGED = re.compile(r"(.*_)?(ema|averaged?)(_.*)?", re.IGNORECASE)
"""Keys below which they keep a second one, the average of the first along its training: timm's, mmengine's."""


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
    elsewhere: tuple[str, ...] = ()
    """Prefixes below which a ResNet lies beside them, under another key; `network` takes it when asked for one."""

    @property
    def averaged(self) -> tuple[str, ...]:
        """Those of ``elsewhere`` that are an average of the network along its training, by their key."""
        return tuple(each for each in self.elsewhere if _AVERAGED.fullmatch(each.partition(".")[0]))


def network(contents: Contents, prefix: str | None = None) -> Network:
    """The network in a checkpoint: the file itself where a ResNet lies bare in it, else the first of ``WRAPPERS`` that
    holds named tensors. A ``prefix`` that begins with another key of the file is below that key.

    Without any tensor the result is empty; the gate says so.
    """
    tree = contents.tree
    bare = _named(tree)
    inner = {_word(key): _named(value) for key, value in tree.items() if isinstance(value, Mapping)}
    wrapper = "" if resnets(bare) else next((key for key in WRAPPERS if inner.get(key)), "")
    taken = inner[wrapper] if wrapper else bare
    asked = next((key for key in inner if inner[key] and f"{prefix or ''}.".startswith(f"{key}.")), wrapper)
    if asked != wrapper and not any(name.startswith(f"{asked}.") for name in taken):
        wrapper, taken = asked, {f"{asked}.{name}": tensor for name, tensor in inner[asked].items()}
    beside: Counter[str] = Counter()
    for key, value in tree.items():
        if _word(key) != wrapper and (wrapper or not _is_array(value)):
            beside[_word(key)] += _count(value)
    elsewhere = (f"{key}.{below}" for key in inner if key != wrapper for below in resnets(inner[key]))
    return Network(wrapper, taken, dict(beside), tuple(elsewhere))


def _named(mapping: Mapping[Any, Any]) -> dict[str, Tensor]:
    # What has several names is copied once: a small file may have a thousand for its only array.
    made = {id(value): _tensor(value) for value in mapping.values() if _is_array(value)}
    return {_word(name): made[id(value)] for name, value in mapping.items() if _is_array(value)}


def _word(key: Any) -> str:
    """A mapping's key in words; one that is no plain name, number or such (a tuple, nested as may be) by its type."""
    plain = isinstance(key, str | float) or (isinstance(key, int) and abs(key) < 2**63)
    return str(key) if plain else type(key).__name__


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiub")


def _tensor(value: Tensor | np.ndarray[Any, Any]) -> Tensor:
    if isinstance(value, Tensor):
        return Tensor.detach(value)  # not its own word for it: a file can set a parameter's attributes
    # A copy: a pickle's arrays may be read-only, of another byte order or laid out backwards.
    return torch.from_numpy(np.array(value, dtype=value.dtype.newbyteorder("="), order="C"))


def _count(value: Any) -> int:
    """Tensors in a nested value; what it holds in several places is looked into once, so it may even hold itself."""
    total, seen, left = 0, set[int](), [value]
    while left:
        each = left.pop()
        if _is_array(each):
            total += 1
        elif isinstance(each, Mapping | list | tuple) and id(each) not in seen:
            seen.add(id(each))
            left.extend(each.values() if isinstance(each, Mapping) else each)
    return total
