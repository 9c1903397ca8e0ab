"""Somebody's weights into a backbone of ours: recognised, checked, with where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors
from torch import Tensor

from ground.files import atomic_path
from ground.networks import BackboneName
from transfer.weights import dense, gate, origin, ours
from transfer.weights.contents import Contents, network
from transfer.weights.reading import read
from transfer.weights.selection import Selection, select


@dataclass(frozen=True)
class Found:
    """A file as it was read, before the gate."""

    path: Path
    """The file read: for a run's folder, the one in it."""
    file_sha256: str
    size: int
    contents: Contents
    selection: Selection
    tensors: dict[str, Tensor]
    """The selection's in single precision, contiguous."""
    notes: tuple[str, ...]
    """What was changed and what is odd, in words."""
    untrained: bool
    """Its own record says that it was not trained."""


@dataclass(frozen=True)
class Imported:
    """A backbone that passed the gate."""

    tensors: dict[str, Tensor]
    """By torchvision's names, single precision, no classifier."""
    network: BackboneName
    source: str
    """Name of the file, without its folders."""
    file_sha256: str
    tensors_sha256: str
    """Of names, shapes and values, batch-norm counters left out: the same whatever file they came in."""
    format: str
    prefix: str
    left_over: dict[str, int]
    """Groups of tensors, and other keys, that were not taken, and how many tensors are in each."""
    notes: tuple[str, ...]
    before: dict[str, Any]
    """What its own header says of the import that it is from; empty for a file that is not ours."""
    untrained: bool
    """Batch-norm statistics are at their initial values, and that was asked for."""


def imported(
    path: Path, *, format: str | None = None, prefix: str | None = None, untrained: bool = False, bgr: bool = False
) -> Imported:
    """Read, recognise and check weights.

    Args:
        path: a weights file, or a run's folder of ours.
        format: name of an entry of ``transfer.weights.formats.FORMATS`` instead of what is recognised.
        prefix: what stands before the backbone's names instead of what the format says.
        untrained: admit batch norms at their initial values; ours need it not where their record says so.
        bgr: the network was trained on BGR images: turn the input channels of its first convolution around.

    Raises:
        ConfigError: there is no such format.
        WeightsError: the file is broken, none of a known kind, or does not pass the gate.
    """
    return passed(find(path, format=format, prefix=prefix, bgr=bgr), untrained=untrained)


def find(path: Path, *, format: str | None = None, prefix: str | None = None, bgr: bool = False) -> Found:
    """Read and recognise, without the gate; arguments and errors as `imported`."""
    path = ours.file_of(path)
    contents = read(path)
    record = ours.record(path)
    inside = network(contents, prefix)
    selection = select(path, contents, inside, format, prefix, ours.exported_prefix(record))
    dense.check(path, selection.tensors)
    tensors, notes = _single_precision(selection.tensors)
    if bgr and "conv1.weight" in tensors and tensors["conv1.weight"].ndim == 4:
        tensors["conv1.weight"] = tensors["conv1.weight"].flip(1).contiguous()
        notes.append("input channels turned around, from BGR to RGB")
    notes += origin.notes(contents, tensors, detector=selection.naming == "detectron2" and selection.prefix != "")
    if inside.averaged and prefix is None:
        notes.append(f"an averaged copy is there too: --prefix {' or '.join(inside.averaged)}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    untrained = ours.untrained(record, contents.header)
    notes += [untrained] if untrained else []
    return Found(path, digest, path.stat().st_size, contents, selection, tensors, tuple(notes), bool(untrained))


def passed(found: Found, *, untrained: bool = False) -> Imported:
    """What was found, if it passes the gate.

    Raises:
        WeightsError: it does not.
    """
    origin.check(found.path, found.contents)
    name = gate.check(found.path, found.tensors, untrained or found.untrained)
    chosen = found.selection
    return Imported(
        tensors=found.tensors,
        network=name,
        source=found.path.name,
        file_sha256=found.file_sha256,
        tensors_sha256=tensors_sha256(found.tensors),
        format=chosen.format,
        prefix=chosen.prefix,
        left_over=chosen.left_over,
        notes=found.notes,
        before=ours.told(found.contents.header),
        untrained=bool(gate.initial_norms(found.tensors)),
    )


def write(backbone: Imported, out: Path) -> None:
    """Write what was imported as a safetensors file of ours, atomically; where it comes from stands in its header.

    Raises:
        StorageError: the disk is full or not writable.
    """
    words = {
        "before": backbone.before,
        "format": backbone.format,
        "network": backbone.network,
        "notes": backbone.notes,
        "prefix": backbone.prefix,
        "source": backbone.source,
        "source_sha256": backbone.file_sha256,
        "tensors_sha256": backbone.tensors_sha256,
        "untrained": backbone.untrained,
    }
    # One entry: safetensors writes several in any order, and the same weights shall be the same file.
    with atomic_path(out) as temporary:
        temporary.write_bytes(safetensors(backbone.tensors, {ours.HEADER: json.dumps(words)}))


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over sorted names, types, shapes and values (little endian); batch-norm counters left out."""
    summary = hashlib.sha256()
    for name in sorted(tensors):
        if not name.endswith(gate.COUNTER):
            tensor = tensors[name]
            summary.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\n".encode())
            summary.update(tensor.numpy().tobytes())  # in C order, whatever the strides
    return summary.hexdigest()


def _single_precision(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Floating-point tensors as float32, and in words which were something else."""
    cast = {name: tensor.dtype for name, tensor in tensors.items() if tensor.is_floating_point()}
    others = {str(dtype).removeprefix("torch.") for dtype in cast.values() if dtype != torch.float32}
    single = {n: (t.float() if t.is_floating_point() else t).contiguous() for n, t in tensors.items()}
    return single, [f"{', '.join(sorted(others))} cast to float32"] if others else []
