"""Backbones to look into: from a run's snapshots, its checkpoint, or tensors of anybody's."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ground import backbones
from ground.errors import WeightsError
from ground.networks import BackboneName
from pretrain.model.student_teacher import FeatureMap

_REMEDY = "Run its pre-training again with --rerun force."


def from_tensors(tensors: Mapping[str, Tensor], where: object) -> FeatureMap:
    """The backbone that these tensors (torchvision's names, no classifier) are of, in evaluation mode.

    Raises:
        WeightsError: they fit none that is known, naming the nearest one's first difference.
    """
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    faults = {}
    for name in get_args(BackboneName):
        with torch.device("meta"):
            wanted = backbones.build(name).state_dict()
        faults[name] = _differences(found, wanted)
        if not faults[name]:
            net = FeatureMap(backbones.build(name))
            net.resnet.load_state_dict(dict(found), strict=False)
            return net.eval().requires_grad_(False)
    nearest = min(faults, key=lambda name: len(faults[name]))
    problem = f"fits no backbone; nearest is {nearest}: {faults[nearest][0]}"
    raise WeightsError(where, problem, f"Known are {', '.join(faults)}, with torchvision's tensor names.")


def _differences(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    counted = {name: tensor for name, tensor in wanted.items() if not name.endswith("num_batches_tracked")}
    lines = [f"lacks `{name}`" for name in counted if name not in found]
    lines += [f"`{name}` is unexpected" for name in found if name not in counted]
    shapes = [name for name in counted if name in found and found[name].shape != counted[name].shape]
    return lines + [f"`{n}` is {tuple(found[n].shape)}, not {tuple(counted[n].shape)}" for n in shapes]


def from_file(path: Path) -> FeatureMap:
    """The backbone in a safetensors file of ours.

    Raises:
        WeightsError: the file is gone or broken, or fits no known backbone.
    """
    try:
        return from_tensors(load_file(path), path)
    except FileNotFoundError:
        raise WeightsError(path, "is gone", _REMEDY) from None
    except SafetensorError as error:
        raise WeightsError(path, f"is broken ({error})", _REMEDY) from None


def from_checkpoint(path: Path, network: str) -> FeatureMap:
    """Student or teacher as a training's last checkpoint has it.

    Raises:
        WeightsError: the file is gone or broken, or holds no such network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["model"]
    except FileNotFoundError:
        raise WeightsError(path, "is gone", _REMEDY) from None
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(path, f"is broken ({' '.join(str(error).split())[:120]})", _REMEDY) from None
    start = f"{network}.resnet."
    return from_tensors({k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}, path)
