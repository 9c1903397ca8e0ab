"""What every benchmark takes and gives: ``measure(options) -> Section`` in a module of this package."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

Size = Literal["toy", "full"]


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    size: Size = "full"
    """``toy``: seconds on a CPU, to see that it works; its numbers say nothing."""
    device: str = "auto"
    repeats: int = 5
    official: str | None = None
    """Folder with the published implementations, where they are at hand."""


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one quantity."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    def __str__(self) -> str:
        return f"{self.median:.4g} ({min(self.values):.4g} to {max(self.values):.4g})"


@dataclass
class Section:
    """One benchmark's outcome."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Column → text, number or ``Spread``."""
    notes: list[str] = field(default_factory=list)


def seconds(work: Callable[[], object], repeats: int, wait: Callable[[], object] = lambda: None) -> Spread:
    """Wall-clock of ``work``, warm (run once before).

    Args:
        wait: called before each look at the clock, e.g. ``torch.cuda.synchronize``.
    """
    work()
    values = []
    for _ in range(repeats):
        wait()
        began = time.perf_counter()
        work()
        wait()
        values.append(time.perf_counter() - began)
    return Spread(tuple(values))
