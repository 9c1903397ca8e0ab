"""What a detector found in a list of images, whichever tool it is of and whichever evaluator counts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray


class RunLengths(TypedDict):
    """A mask as COCO's tools pack it: ``size`` [height, width] and ``counts``, their text of run lengths."""

    size: list[int]
    counts: str


@dataclass(frozen=True)
class Detections:
    """n boxes found in a list of images, in the list's order."""

    image: NDArray[np.int64]
    """(n,) position of the image in the list."""
    label: NDArray[np.int64]
    """(n,) class, from 0."""
    score: NDArray[np.float32]
    """(n,)."""
    box: NDArray[np.float32]
    """(n, 4) x0, y0, x1, y1; continuous, 0-based, in pixels of the photograph."""
    mask: tuple[RunLengths, ...] = ()
    """n masks in pixels of the photograph, of a detector that finds them."""


def short(number: float) -> float:
    """A float32 in the nine digits that hold it whole."""
    return float(f"{number:.9g}")
