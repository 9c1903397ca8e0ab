"""What one GPU does: seconds of a training step by the images in it, as `harness bench` measured them, or declared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pretrain.config import PretrainConfig

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
MULTIPLICATIONS = 3.7e13
"""A second, of a GPU of which nothing was measured. A guess: an H100 at a seventh of its bf16 peak."""
FLOOR_SECONDS = 0.025
"""Of a step whatever its batch, where at most one batch was measured. A guess: some thousand kernels to be launched."""
VIEWS_PER_CORE = 930.0
"""A second, cut and decoded by one of a GPU's cores: measured on an AMD EPYC (docs/performance.md, Input)."""
WHOLE = "ours, with the views' colours"
"""What a row of the benchmark says that measured a whole step."""


@dataclass(frozen=True)
class Pace:
    """Seconds of a step on one GPU: a line from batch to batch that was measured."""

    points: tuple[tuple[int, float], ...]
    """(images, seconds), by images."""
    source: str
    measured: bool

    def seconds(self, batch: float) -> float:
        """Of a step of so many images; below and above what was measured the nearest line goes on."""
        (first, at_first), *rest = self.points
        floor = min(FLOOR_SECONDS, at_first / 2)
        if rest:
            second, at_second = rest[0]
            floor = min(max(at_first - (at_second - at_first) / (second - first) * first, 0.0), at_first)
        line = [*([(0, floor)] if first else []), *self.points]
        pairs = list(pairwise(line))
        (low, at_low), (high, at_high) = next((pair for pair in pairs if batch <= pair[1][0]), pairs[-1])
        return at_low + (at_high - at_low) / (high - low) * (batch - low)


def of(config: PretrainConfig, profile: str, gpu: str | None = None) -> Pace:
    """The pace of a recipe: measured; else by its arithmetic, from a recipe that was measured; else declared.

    Args:
        profile: scale at which it trains; only measurements of that count.
        gpu: words of the GPU's name, as Slurm has its type; what was measured on another GPU is a guess for it.
    """
    from pretrain import traffic

    found = sorted(_measured(profile), key=lambda each: not _words(gpu) <= _words(each[0]))
    own = next((each for each in found if each[1] == config.recipe), None)
    if own is not None:
        if not _words(gpu) <= _words(own[0]):
            return Pace(own[2], f"guessed: for {gpu} what was measured on {own[0]}", False)
        return Pace(own[2], f"measured on {own[0]}", True)
    work = traffic.work(config)
    for name, recipe, points in found:
        from harness import profiles

        share = work / traffic.work(profiles.load(profile).recipe(recipe))
        scaled = tuple((batch, seconds * share) for batch, seconds in points)
        return Pace(scaled, f"guessed by its arithmetic, from {recipe} measured on {name}", False)
    batch = config.train.batch
    whole = FLOOR_SECONDS + batch * work / MULTIPLICATIONS
    return Pace(((0, FLOOR_SECONDS), (batch, whole)), f"guessed: {2 * MULTIPLICATIONS / 1e12:.0f} TFLOP/s", False)


def _words(gpu: str | None) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", (gpu or "").lower()))


def _measured(profile: str) -> Iterator[tuple[str, str, tuple[tuple[int, float], ...]]]:
    """(GPU and changed settings, recipe, points) of every result file; one that cannot be read says nothing."""
    for path in sorted(RESULTS.glob("*.json")):
        try:
            result = json.loads(path.read_text())
            gpu, options = result["machine"]["gpu"], result["options"]
            rows = [row for section in result["sections"] if section["name"] == "step" for row in section["rows"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if not gpu or options.get("size") != "full" or options.get("profile") != profile:
            continue
        changed = f" with {', '.join(options['overrides'])}" if options.get("overrides") else ""
        points: dict[str, dict[int, float]] = {}
        for row in rows:
            if row["what"].startswith(WHOLE) and "images/s" in row:
                points.setdefault(row["recipe"], {})[row["batch"]] = row["batch"] / _median(row["images/s"])
        for recipe, own in points.items():
            yield f"{gpu}{changed}", recipe, tuple(sorted(own.items()))


def _median(value: Mapping[str, Any] | float) -> float:
    return float(value["median"]) if isinstance(value, Mapping) else float(value)
