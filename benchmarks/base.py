"""What every benchmark takes and gives: ``measure(options) -> Section`` in a module of this package."""

from __future__ import annotations

import sys
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
    seconds: float | None = None
    """Steps measured in turn get no third turn so long after the first; two they get anyway."""
    official: str | None = None
    """Folder with the published implementations, where they are at hand."""
    images: str | None = None
    """Folder of photographs in the place of invented pictures, where images are read."""
    recipes: tuple[str, ...] = ()
    """Which training steps; all if empty."""
    batches: tuple[int, ...] = ()
    """Images a step; the benchmark's own list if empty."""
    profile: str = "paper"
    """Scale of the recipes."""
    overrides: tuple[str, ...] = ()
    """Settings as ``--set`` has them: ``pretrain.train.precision=bf16``."""
    begun: list[Section] = field(default_factory=list, compare=False, repr=False)
    """Sections that have been begun: what their rows hold is kept when a benchmark is stopped or fails."""

    def begin(self, name: str, title: str, columns: tuple[str, ...]) -> Section:
        """An empty section to be filled row by row."""
        self.begun.append(Section(name, title, columns))
        return self.begun[-1]


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one quantity."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return short(self.median)
        return f"{short(self.median)} ({short(min(self.values))} to {short(max(self.values))})"


@dataclass
class Section:
    """One benchmark's outcome."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Column → text, number or ``Spread``; what a row lacks was not measured."""
    notes: list[str] = field(default_factory=list)


def short(number: float) -> str:
    """Four digits, without an exponent from a thousand up."""
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def ratio(of: Spread | float, to: Spread) -> Spread:
    """Turn by turn: what came first by what came first, for both were measured alternately; or one number by each."""
    above = of.values if isinstance(of, Spread) else (of,) * len(to.values)
    return Spread(tuple(a / b for a, b in zip(above, to.values, strict=True)))


def say(words: str) -> None:
    """A line of progress for people."""
    print(f"bench: {words}", file=sys.stderr, flush=True)


def seconds(work: Callable[[], object], repeats: int, wait: Callable[[], object] = lambda: None) -> Spread:
    """Wall-clock of ``work``, warm (run once before).

    Args:
        work: what is measured.
        repeats: how often.
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


def alternately(
    works: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Spread]:
    """Wall-clock of several works, in turn, so that what else the machine does meets all of them alike.

    Args:
        works: by name.
        repeats: turns.
        clock: another one, e.g. ``time.process_time``.
    """

    def clocked(work: Callable[[], object]) -> Callable[[], float]:
        def seconds() -> float:
            began = clock()
            work()
            return clock() - began

        return seconds

    return turns({name: clocked(work) for name, work in works.items()}, repeats)


def turns(works: dict[str, Callable[[], float]], repeats: int) -> dict[str, Spread]:
    """Seconds of several works that clock themselves, in turn, after one turn that does not count."""
    for work in works.values():
        work()
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            found[name].append(work())
    return {name: Spread(tuple(values)) for name, values in found.items()}
