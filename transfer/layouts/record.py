"""One labelled photograph as a detector is trained and tested on it, whatever data set it is of. Light: no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

Box = tuple[float, float, float, float]
Outline: TypeAlias = "tuple[array[float], ...]"  # quoted: Python 3.11 has no array[float]
"""One object's polygons, each x0, y0, x1, y1, … in pixels of the photograph, 0-based and continuous."""


@dataclass(frozen=True, slots=True)
class Photograph(ABC):
    """One image and its objects. Each layout adds what its labels say besides."""

    name: str
    image: Path
    width: int
    height: int
    labels: tuple[int, ...]
    """Of every object, its class: a position in `Labels.classes`."""

    @property
    @abstractmethod
    def corners(self) -> Sequence[Box]:
        """Of every object x0, y0, x1, y1 in 0-based, continuous pixels; may leave the image, as written."""

    @property
    def outlines(self) -> Sequence[Outline]:
        """Of every object its polygons; empty where the data set has none or the task asks for none."""
        return ()


class Category(NamedTuple):
    """One class: its number in the data set's files and its name."""

    number: int
    name: str


class Labels(NamedTuple):
    """What a task learns from and is measured on."""

    train: Sequence[Photograph]
    test: Sequence[Photograph]
    classes: tuple[Category, ...]
