"""What a weights file holds, as plain values: what was recognised, what would be taken, what the gate says."""

from __future__ import annotations

from typing import Any

import torch

from ground.errors import WeightsError
from transfer.weights import gate
from transfer.weights.formats import FORMATS
from transfer.weights.importing import Found, passed, tensors_sha256


def describe(found: Found, untrained: bool = False) -> dict[str, Any]:
    """All there is to say of a file; if the gate refuses it, ``network`` is None and ``refused`` says why."""
    chosen, tensors = found.selection, found.tensors
    try:
        network, refused = passed(found, untrained=untrained).network, None
    except WeightsError as error:
        network, refused = None, f"{error.problem}. {error.remedy}"
    titles = {each.name: each.title for each in FORMATS}
    return {
        "file": str(found.path),
        "kind": found.contents.kind,
        "bytes": found.size,
        "sha256": found.file_sha256,
        "format": chosen.format,
        "title": titles.get(chosen.format, "a ResNet where no known format has one"),
        "prefix": chosen.prefix,
        "naming": chosen.naming,
        "network": network,
        "tensors": len(tensors),
        "values": sum(tensor.numel() for tensor in tensors.values()),
        "types": sorted({str(tensor.dtype).removeprefix("torch.") for tensor in chosen.tensors.values()}),
        "tensors_sha256": tensors_sha256(tensors),
        "norms": _norms(found),
        "left_over": chosen.left_over,
        "not_loaded": list(found.contents.placeholders),
        "notes": list(found.notes),
        "header": found.contents.header,
        "refused": refused,
    }


def _norms(found: Found) -> dict[str, Any]:
    """Batch norms: how many, how many at their initial statistics, and the range of the others'."""
    initial, total = gate.norm_counts(found.tensors)
    means = [t.double().abs().max() for name, t in found.tensors.items() if name.endswith("running_mean") and t.numel()]
    variances = [t.double() for name, t in found.tensors.items() if name.endswith("running_var") and t.numel()]
    if not means or not variances:
        return {"total": total, "initial": initial}
    every = torch.cat([each.flatten() for each in variances])
    largest = float(torch.stack(means).max())
    return {
        "total": total,
        "initial": initial,
        "largest_mean": largest,
        "variance": [float(every.min()), float(every.max())],
    }
