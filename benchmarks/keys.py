"""Settings, keys and plans: what a user waits for before anything runs."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

from benchmarks.base import Options, Section, Spread, seconds
from harness import keys, plan, profiles


def measure(options: Options) -> Section:
    """Per recipe and task, and whole plans."""
    section = options.begin("keys", "Settings, keys and plans", ("what", "count", "seconds", "ms each"))
    profile = profiles.load("smoke")
    recipes, tasks = profiles.recipe_names(), profiles.task_names()
    resolved = [profile.recipe(name) for name in recipes]
    tables: tuple[tuple[str, ...], ...] = (("1",), ("1", "2", "3", "4", "5", "6", "7"))
    _add(section, "read a profile", 1, seconds(lambda: profiles.load("smoke"), options.repeats))
    of_recipes = seconds(lambda: [profile.recipe(name) for name in recipes], options.repeats)
    _add(section, "settings of a recipe", len(recipes), of_recipes)
    _add(section, "settings of a task", len(tasks), seconds(lambda: [profile.task(n) for n in tasks], options.repeats))
    made = seconds(lambda: [_key(config) for config in resolved], options.repeats)
    _add(section, "key of a pre-training", len(resolved), made)
    with elsewhere():
        for numbers in tables[: 1 if options.size == "toy" else 2]:
            request = plan.Request(tables=numbers)
            count = len(plan.build(request).jobs)
            took = seconds(lambda request=request: plan.build(request), options.repeats)  # type: ignore[misc]
            word = f"table {numbers[0]}" if len(numbers) == 1 else f"tables {numbers[0]} to {numbers[-1]}"
            _add(section, f"plan of {word}, job by job", count, took)
    return section


def _key(config: object) -> str:
    return keys.pretrain_key(config, seed=0, profile="smoke", data="d", device="cpu")  # type: ignore[arg-type]


def _add(section: Section, what: str, count: int, took: Spread) -> None:
    each = Spread(tuple(1000 * value / max(count, 1) for value in took.values))
    section.rows.append({"what": what, "count": count, "seconds": took, "ms each": each})


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """Work in an empty folder: plans look for scenes and runs below the one they are made in."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
