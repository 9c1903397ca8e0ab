"""A backbone written in the layouts of others, so that their own loaders take it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ground.config import suggest
from ground.errors import ConfigError
from ground.files import atomic_path
from ground.networks import BackboneName
from transfer.weights.importing import Imported, write
from transfer.weights.names import to_detectron2

_AUTHOR = "dense-ssl-bench"


@dataclass(frozen=True)
class Layout:
    """Somebody's layout."""

    suffixes: tuple[str, ...]
    """What its loader knows a file by."""
    pack: Callable[[dict[str, Tensor]], bytes] | None
    """The file's bytes; None for our own, which `write` writes."""
    loading: str
    """How to load it there."""


class _Pickler(pickle.Pickler):
    """Arrays by numpy's public names: the private ones of numpy 2 cannot be found where detectron2 has numpy 1."""

    def reducer_override(self, value: Any) -> Any:
        """An array as shape, type and bytes."""
        if isinstance(value, np.ndarray):
            return np.ndarray, (value.shape, value.dtype.str, bytearray(value.tobytes()))
        return NotImplemented


def _detectron2(tensors: dict[str, Tensor]) -> bytes:
    """What PixCon's ``convert-pretrain-to-detectron2.py`` writes: arrays, matched by their last names."""
    model = {to_detectron2(name): tensor.numpy() for name, tensor in tensors.items()}
    packed = io.BytesIO()
    _Pickler(packed, protocol=4).dump({"model": model, "__author__": _AUTHOR, "matching_heuristics": True})
    return packed.getvalue()


def _torchvision(tensors: dict[str, Tensor]) -> bytes:
    return _saved(tensors)


def _mmseg(tensors: dict[str, Tensor]) -> bytes:
    """What ``extract_backbone_weights.py`` writes: the backbone's own names under ``state_dict``."""
    return _saved({"state_dict": tensors, "author": _AUTHOR})


def _saved(value: Any) -> bytes:
    packed = io.BytesIO()
    torch.save(value, packed)
    return packed.getvalue()


LAYOUTS = {
    "torchvision": Layout(
        (".pth", ".pt"), _torchvision, "model.load_state_dict(torch.load(FILE), strict=False): all but `fc`"
    ),
    "detectron2": Layout(
        (".pkl",),
        _detectron2,
        "MODEL.WEIGHTS: FILE with INPUT.FORMAT RGB, MODEL.RESNETS.STRIDE_IN_1X1 False, MODEL.PIXEL_MEAN [123.675,"
        " 116.28, 103.53], MODEL.PIXEL_STD [58.395, 57.12, 57.375]",
    ),
    "mmseg": Layout((".pth",), _mmseg, "backbone.init_cfg=dict(type='Pretrained', checkpoint=FILE)"),
    "safetensors": Layout((".safetensors",), None, "--weights FILE, here"),
}


def layout(name: str, out: Path) -> Layout:
    """The layout of this name, if a file may be called ``out`` in it.

    Raises:
        ConfigError: there is none, or its loader would not know the file.
    """
    if name not in LAYOUTS:
        raise ConfigError(f"--to {name}", "is no layout that is known", suggest(name, list(LAYOUTS)))
    suffixes = LAYOUTS[name].suffixes
    if out.suffix not in suffixes:
        raise ConfigError(out, f"{name} knows its weights by {' or '.join(suffixes)}", "Name the file so.")
    return LAYOUTS[name]


def loading(to: str, network: BackboneName) -> str:
    """How such a network is loaded there; ``resnet10_w32``, the small profiles' own, is nobody else's."""
    if network == "resnet10_w32" and LAYOUTS[to].pack is not None:
        return f"no stock model of {to} has the shape of {network} (ground/backbones.py): build that network there"
    return LAYOUTS[to].loading


def export(backbone: Imported, out: Path, to: str) -> None:
    """Write ``backbone`` as ``to`` has it, atomically; importing the file gives the same bits.

    Raises:
        ConfigError: see `layout`.
        StorageError: the disk is full or not writable.
    """
    pack = layout(to, out).pack
    if pack is None:
        write(backbone, out)
        return
    with atomic_path(out) as temporary:
        temporary.write_bytes(pack(backbone.tensors))
