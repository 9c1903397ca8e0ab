"""The benchmarks by name: the module that measures, and in a few words what."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import cast

from benchmarks.base import Options, Section
from ground.config import suggest
from ground.errors import ConfigError

BENCHMARKS = {
    "ceilings": "matrix products and copies of this device: what nothing can be faster than",
    "step": "a training step of each recipe: images/s, memory, FLOP/s, beside the published code with --official",
    "parts": "what a training step is made of",
    "input_pipeline": "images to views on one core, beside the published pipelines",
    "feeding": "from image files to trained images: what a step waits for its loader; simulated where there is no GPU",
    "evaluation": "COCO evaluation beside pycocotools",
    "keys": "settings, keys and plans",
    "rendering": "a table from its run records: read, aggregate, render",
    "scaling": "from one GPU to 512, by simulation",
    "cluster_scale": "a plan of 100,000 jobs on a cluster that is a stand-in",
    "table": "`harness table` on a store of many records, step by step",
}


def chosen(names: Sequence[str]) -> list[str]:
    """Those asked for, or all.

    Raises:
        ConfigError: naming the nearest one, if there is no such benchmark.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise ConfigError(f"benchmark `{name}`", "there is none of this name", suggest(name, list(BENCHMARKS)))
    return list(dict.fromkeys(names)) or list(BENCHMARKS)


def measure_of(name: str) -> Callable[[Options], Section]:
    """The function ``measure`` of the module ``benchmarks.<name>``."""
    return cast(Callable[[Options], Section], importlib.import_module(f"benchmarks.{name}").measure)
