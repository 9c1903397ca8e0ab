"""Looks into one file each: is it an image, which size, which values. Runs in processes of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from transfer.audit.findings import OTHERWISE, UNLABELLED, Finding, LabelMap, Size
from transfer.layouts import voc

SHOWN = 12
"""Values out of range that are named."""
_MODES = {"1", "L", "P"}
"""What a label map may be: one byte a pixel, a label or an index into a palette."""
_AGAIN = "Unpack it again, or replace it."


class Looked(NamedTuple):
    """What an image is."""

    size: Size | None
    """None if it cannot be decoded."""
    digest: str
    """SHA-256 of its bytes, if asked for."""
    findings: list[Finding]


def image(path: Path, *, digest: bool) -> Looked:
    """A photograph, decoded whole."""
    try:
        with Image.open(path) as file:
            file.convert("RGB")
            size = file.size
        content = hashlib.sha256(path.read_bytes()).hexdigest() if digest else ""
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return Looked(None, "", [Finding("image cannot be decoded", str(path), _words(path, error), _AGAIN)])
    return Looked(size, content, [])


def label_map(path: Path, expected: LabelMap, size: Size | None) -> list[Finding]:
    """A label map: one channel, its photograph's ``size`` if that is known, none but known values."""
    try:
        with Image.open(path) as file:
            mode, labels = file.mode, np.asarray(file)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return [Finding("label map cannot be decoded", str(path), _words(path, error), expected.remedy)]
    found = []
    shape = (labels.shape[1], labels.shape[0])
    if size is not None and shape != size:
        problem = f"is {shape[0]}x{shape[1]} where {expected.image.name} is {size[0]}x{size[1]}"
        found.append(Finding("label map of another size", str(path), problem, "Take both from one release."))
    if mode not in _MODES:
        problem = f"has mode {mode}, not one label a pixel"
        remedy = "Save the labels themselves, as an 8-bit image of one channel or with a palette, not their colours."
        return [*found, Finding("label map in colour", str(path), problem, remedy)]
    values, counts = np.unique(labels, return_counts=True)
    wrong = [
        (int(value), int(count)) for value, count in zip(values, counts, strict=True) if value not in expected.known
    ]
    if wrong:
        named = ", ".join(str(value) for value, _ in wrong[:SHOWN]) + (", …" if len(wrong) > SHOWN else "")
        problem = f"holds {named} in {sum(count for _, count in wrong)} pixels; known are {ranges(expected.known)}"
        found.append(Finding("label out of range", str(path), problem, "Correct the map, or unpack it again."))
        return found
    return [*found, *_without_labels(path, frozenset(values.tolist()), expected)]


def _without_labels(path: Path, values: frozenset[int], expected: LabelMap) -> list[Finding]:
    """A remark if no pixel of a map seems to have a label of its layout."""
    if values <= expected.void:
        problem = f"holds {ranges(values)} alone: no pixel has a class"
        return [Finding(UNLABELLED, str(path), problem, "Replace it, or leave its photograph out.", grave=False)]
    if values <= expected.other:
        problem = f"holds values of {ranges(expected.other)} alone, as if they were train ids"
        return [Finding(OTHERWISE, str(path), problem, "See that it holds the ids of its file's name.", grave=False)]
    return []


def annotation(path: Path, size: Size | None) -> list[Finding]:
    """A VOC annotation: what its reader would refuse, and another ``size`` than its photograph's if that is known."""
    written, problems = voc.problems(path)
    found = [Finding("annotation at fault", error.where, error.problem, error.remedy) for error in problems]
    if written is not None and size is not None and written != size:
        problem = f"says {written[0]}x{written[1]} where its image is {size[0]}x{size[1]}"
        found.append(Finding("annotation of another size", str(path), problem, _AGAIN))
    return found


def ranges(values: frozenset[int]) -> str:
    """``0-20, 255``."""
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _words(path: Path, error: Exception) -> str:
    """What Pillow or the system says, without the path that stands in front already."""
    if path.is_dir():
        return "is a folder"
    said = getattr(error, "strerror", None) or str(error)
    return f"cannot be decoded ({said.replace(f' {str(path)!r}', '')})"
