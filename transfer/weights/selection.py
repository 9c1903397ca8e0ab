"""Which tensors of a checkpoint are the backbone, and what the rest is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ground.errors import WeightsError
from transfer.weights.contents import Contents, Network
from transfer.weights.formats import FORMATS, Format, named
from transfer.weights.names import Naming, resnets, to_torchvision

HEADS = re.compile(
    r"(fc|fc\d|classifier|head|heads|linear|logits|proj\w*|predictor|pred|neck|queue\w*|prototypes?|center|avgpool)\b"
)
"""Tensors below the backbone's prefix that are no part of it, by the beginning of their names."""
_OUTER = frozenset({"module", "model", "net", "backbone", "bottom_up"})


@dataclass(frozen=True)
class Selection:
    """A checkpoint's backbone as it lies in the file."""

    format: str
    """Name of the format; ``unnamed`` if a single ResNet lies where no format has it."""
    prefix: str
    naming: Naming
    tensors: dict[str, Tensor]
    """By torchvision's names; also those the backbone has no place for, which the gate refuses."""
    left_over: dict[str, int]
    """What is not taken: groups of names, and how many tensors are in each."""


def select(
    path: Path, contents: Contents, network: Network, format_name: str | None, prefix: str | None, exported: str | None
) -> Selection:
    """The backbone among a network's tensors.

    Args:
        path: the file, for messages.
        contents: the file as read.
        network: its network.
        format_name: overrides the recognition of the format.
        prefix: overrides what stands before the backbone's names.
        exported: the prefix that the record beside a checkpoint of ours names.

    Raises:
        ConfigError: there is no such format.
        WeightsError: there is no ResNet, or none or several where they were looked for.
    """
    found = resnets(network.tensors)
    if not found and network.elsewhere:
        problem = f"holds ResNets only under keys of no known format: {_shown(network.elsewhere)}"
        raise WeightsError(path, problem, "Choose one with --prefix.")
    if not found:
        raise WeightsError(path, _nothing(network), "Name a file that holds a ResNet's tensors.")
    if set(found.values()) == {"caffe2"}:
        problem = "is a Caffe2 network (MSRA's R-50): batch norms folded, stride in the 1x1 convolutions, BGR images"
        raise WeightsError(path, problem, "No task builds it; name weights of torchvision's network.")
    if prefix is not None:
        chosen = _below(path, found, (prefix,))
        return _taken(format_name or "unnamed", chosen, found[chosen], network)
    layout = named(format_name) if format_name is not None else recognise(contents, network, list(found))
    if layout is None:
        if len(found) > 1:
            raise WeightsError(path, f"holds {len(found)} ResNets, {_shown(found)}", "Choose one with --prefix.")
        return _taken("unnamed", next(iter(found)), next(iter(found.values())), network)
    if layout.name == "run" and exported is None:
        problem = "holds a student and a teacher, and no job.json beside it says which one its recipe hands over"
        raise WeightsError(path, problem, f"Choose one with --prefix: {_shown(layout.prefixes)}.")
    chosen = _below(path, found, _preferred(layout, exported))
    return _taken(layout.name, chosen, found[chosen], network)


def recognise(contents: Contents, network: Network, prefixes: list[str]) -> Format | None:
    """The first format that fits."""
    names = list(network.tensors)
    return next((each for each in FORMATS if each.fits(contents.kind, network.wrapper, names, prefixes)), None)


def _preferred(layout: Format, exported: str | None) -> tuple[str, ...]:
    return (exported,) if layout.name == "run" and exported else layout.prefixes


def _below(path: Path, found: dict[str, Naming], prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        for written in (prefix, f"{prefix}."):
            if written in found:
                return written
    problem = f"has no ResNet below {_shown(prefixes)}; it has one below {_shown(found)}"
    raise WeightsError(path, problem, "Correct --prefix or --format, or leave both away.")


def _taken(format_name: str, prefix: str, naming: Naming, network: Network) -> Selection:
    taken: dict[str, Tensor] = {}
    left_over: Counter[str] = Counter()
    for name, tensor in network.tensors.items():
        below = _name_below(name, prefix, naming)
        if below is None or HEADS.match(below):
            left_over[_group(name)] += 1
        else:
            taken[to_torchvision(below, naming)] = tensor
    return Selection(format_name, prefix, naming, taken, dict(left_over) | network.beside)


def _name_below(name: str, prefix: str, naming: Naming) -> str | None:
    """A tensor's name without the prefix; None if it is of something else."""
    if name.startswith(prefix):
        below = name.removeprefix(prefix)
        # Everything else that detectron2 has beside a backbone without prefix is a head of the detector.
        ours = prefix or naming != "detectron2" or re.match(r"(stem\.(?!fc)|res\d\.)", below)
        return below if ours else None
    # detectron2's C4 detector has the last stage in its region heads.
    if naming == "detectron2" and re.match(r"roi_heads\.res5\.\d", name):
        return name.removeprefix("roi_heads.")
    return None


def _group(name: str) -> str:
    parts = name.split(".")
    first = next((at for at, part in enumerate(parts) if part not in _OUTER), 0)
    end = first + 2 if parts[first + 1 : first + 2] and parts[first + 1].isdigit() else first + 1
    return ".".join(parts[:end])


def _nothing(network: Network) -> str:
    if not network.tensors:
        keys = ", ".join(f"`{key}`" for key in list(network.beside)[:5])
        return f"holds no named tensors (its keys: {keys or 'none'})"
    groups = list(dict.fromkeys(_group(name) for name in network.tensors))
    return f"holds no ResNet: its {len(network.tensors)} tensors belong to {_shown(groups[:5])}"


def _shown(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" if name else "no prefix" for name in names)
