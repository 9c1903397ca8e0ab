"""What is wrong with a data set, and what a set is found to be. Light: imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ground.errors import DataError

Size = tuple[int, int]
"""Width and height, pixels."""


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong, or, if not ``grave``, worth knowing: jobs would run, and mean what they say."""

    kind: str
    file: str
    problem: str
    remedy: str
    grave: bool = True

    @classmethod
    def of(cls, kind: str, error: DataError) -> Finding:
        """What a reading function refuses."""
        return cls(kind, error.where, error.problem, error.remedy)


@dataclass(frozen=True)
class LabelMap:
    """A label map to look into: whose it is and which values it may hold."""

    image: Path
    known: frozenset[int]
    remedy: str
    void: frozenset[int] = frozenset()
    """Those of ``known`` that are no class."""
    other: frozenset[int] = frozenset()
    """Those that another way of writing the classes has: a map of none but these is likely written so."""


UNLABELLED, OTHERWISE = "label map without a label", "label map written otherwise"
"""Remarks on one map that are a fault where they hold for every map of a set."""


@dataclass(eq=False)
class Unit:
    """One set as one reader sees it: ``VOC2012/train`` has boxes for one task and label maps for another."""

    layout: str
    """Its reader: a module of `transfer.layouts`, or ``images`` for a folder to pre-train on."""
    name: str
    folder: Path | None = None
    """Where it lies."""
    absent: str = ""
    """If it is not there: what to do."""
    images: list[Path] = field(default_factory=list)
    """Its photographs, those that are missing left out."""
    sizes: dict[Path, Size] = field(default_factory=dict)
    """Photograph → what its annotations say of its size, where one file says it of all."""
    annotations: dict[Path, Path] = field(default_factory=dict)
    """XML file → its photograph."""
    maps: dict[Path, LabelMap] = field(default_factory=dict)
    part: str = ""
    """``a part`` or ``with more`` where it is not what was published."""
    looked_into: int = 0
    """Photographs that were decoded."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def faults(self) -> list[Finding]:
        """Those that keep it from being used."""
        return [finding for finding in self.findings if finding.grave]

    @property
    def state(self) -> str:
        """``sound``, ``sound, a part``, ``not there`` or ``3 faults``."""
        if self.absent:
            return "not there"
        number = len(self.faults)
        if number:
            return f"{number} fault{'s' * (number > 1)}"
        return f"sound, {self.part}" if self.part and self.images else "sound"

    def find(self, kind: str, file: object, problem: str, remedy: str, *, grave: bool = True) -> None:
        """Note something."""
        self.findings.append(Finding(kind, str(file), problem, remedy, grave))

    def sample(self, number: int | None) -> list[Path]:
        """At most ``number`` photographs, evenly over the set; all if None."""
        return evenly(self.images, number)


def evenly(paths: Sequence[Path], number: int | None) -> list[Path]:
    """At most ``number`` of ``paths`` at even distances, the first among them; all if None."""
    if number is None or len(paths) <= number:
        return list(paths)
    return [paths[place * len(paths) // number] for place in range(number)]
