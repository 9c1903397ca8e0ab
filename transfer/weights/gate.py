"""The gate every foreign backbone passes before it costs an hour of anything: whole, of a known network, trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Size, Tensor

from ground.errors import WeightsError
from ground.networks import BackboneName
from transfer.weights.networks import network_of, shapes

COUNTER = "num_batches_tracked"
_FOLDED_EPS = 2e-5
"""detectron2 stores a folded variance as 1 − 1e-5."""


def check(path: Path, tensors: Mapping[str, Tensor], untrained: bool) -> BackboneName:
    """Refuse a backbone that does not fit one of our networks to its last tensor, or that was never trained.

    Args:
        path: the file, for messages.
        tensors: by torchvision's names.
        untrained: admit batch-norm statistics at their initial values.

    Raises:
        WeightsError: it lists what is missing, left over or of another shape, the first few and how many.
    """
    name = network_of(path, tensors)
    wanted = shapes(name)
    found = {each: tensor for each, tensor in tensors.items() if not each.endswith(COUNTER)}
    faults = _faults(found, wanted)
    if faults:
        remedy = "Choose other tensors with --prefix, or name weights of the whole network."
        raise WeightsError(path, f"does not fit {name}: {'; '.join(faults)}", remedy)
    whole = [each for each, tensor in found.items() if not tensor.is_floating_point()]
    if whole:
        problem = f"holds {found[whole[0]].dtype} values in {_some(whole)}, as a quantised network does"
        raise WeightsError(path, problem, "Name weights in floating point.")
    odd = [each for each, tensor in found.items() if not torch.isfinite(tensor).all()]
    if odd:
        problem = f"holds values that are not finite in {_some(odd)}"
        raise WeightsError(path, problem, "The training diverged, or the file is damaged.")
    negative = [each for each, tensor in found.items() if each.endswith("running_var") and (tensor < 0).any()]
    if negative:
        raise WeightsError(path, f"holds negative variances in {_some(negative)}", "The file is damaged.")
    zero = [each for each, tensor in found.items() if tensor.ndim == 4 and not (tensor != 0).any()]
    if zero:
        problem = f"holds nothing but zeros in {_some(zero)}: no image passes such a convolution"
        raise WeightsError(path, problem, "The training collapsed, or the file is damaged.")
    initial = initial_norms(found)
    if initial and not untrained:
        raise WeightsError(path, *_why_initial(found, initial))
    return name


def initial_norms(tensors: Mapping[str, Tensor]) -> list[str]:
    """Batch-norm layers whose statistics are as they start: mean 0 and variance 1."""
    return [
        norm
        for norm in _norms(tensors)
        if _at(tensors, norm, "running_mean", 0) and _at(tensors, norm, "running_var", 1)
    ]


def norm_counts(tensors: Mapping[str, Tensor]) -> tuple[int, int]:
    """Batch-norm layers at their initial statistics, and all of them."""
    return len(initial_norms(tensors)), len(_norms(tensors))


def _faults(found: Mapping[str, Tensor], wanted: Mapping[str, Size]) -> list[str]:
    missing = sorted(wanted.keys() - found.keys())
    extra = sorted(found.keys() - wanted.keys())
    reshaped = [name for name in sorted(found.keys() & wanted.keys()) if found[name].shape != wanted[name]]
    faults = []
    if missing:
        faults.append(f"it lacks {_some(missing)} of {len(wanted)} tensors")
    if extra:
        faults.append(f"it has no place for {_some(extra)}")
    if reshaped:
        faults.append(
            f"of another shape {_some(reshaped, lambda n: f'{_shape(found[n].shape)} for {_shape(wanted[n])}')}"
        )
    return faults


def _why_initial(tensors: Mapping[str, Tensor], initial: list[str]) -> tuple[str, str]:
    """Problem and remedy of batch-norm layers that look as on the first day."""
    total = len(_norms(tensors))
    scaled = any(not (_at(tensors, norm, "weight", 1) and _at(tensors, norm, "bias", 0)) for norm in initial)
    if len(initial) < total or not scaled:
        problem = f"was this trained? Mean 0 and variance 1, the initial values, in {_some(initial)} of {total} norms"
        return problem, "Name trained weights; --untrained if random ones are meant."
    problem = (
        f"has its batch norms folded into scale and shift in {_some(initial)} of {total}, as Caffe2's models have and"
        " detectron2's that rest on them: these expect BGR images from 0 to 255 and stride in the 1x1 convolutions"
    )
    return problem, "Name weights of torchvision's network; --untrained takes these as they are, for another network."


def _norms(tensors: Mapping[str, Tensor]) -> list[str]:
    names = (name.removesuffix(".running_mean") for name in tensors if name.endswith(".running_mean"))
    return [name for name in names if f"{name}.running_var" in tensors]


def _at(tensors: Mapping[str, Tensor], norm: str, part: str, value: float) -> bool:
    tensor = tensors.get(f"{norm}.{part}")
    return tensor is not None and bool(((tensor.double() - value).abs() <= _FOLDED_EPS).all())


def _some(names: list[str], words: Callable[[str], str] | None = None) -> str:
    shown = ", ".join(f"`{name}`" + (f" {words(name)}" if words else "") for name in names[:3])
    return shown + (f", … ({len(names)})" if len(names) > 3 else "")


def _shape(size: Size) -> str:
    return "x".join(map(str, size)) or "a scalar"
