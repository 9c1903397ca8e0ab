"""What a task reads from disk: is it all there, and what is it. Light: imports no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from transfer.audit import official
from transfer.config import TaskConfig
from transfer.layouts.places import check_root

__all__ = ["check", "check_root", "counts", "fingerprint", "unofficial"]


def check(config: TaskConfig, root: Path) -> None:
    """The task's data below ``root`` can be trained and tested on, as far as lists and annotations tell.

    Raises:
        DataError: naming the first file or folder at fault.
    """
    _layout(config, root).check(config, root)


def fingerprint(config: TaskConfig, root: Path) -> str:
    """One hash of the task's data: names and sizes of images, contents of lists and annotations.

    Only sound data has a fingerprint: jobs are planned by it, and a bad label should stop the plan, not every job of it
    after its pre-training.

    Raises:
        DataError: as `check`.
    """
    found: str = _layout(config, root).fingerprint(config, root)
    return found


def counts(config: TaskConfig, root: Path) -> dict[str, int]:
    """How many images each set of the task lists, by its name; labels are not looked at.

    Raises:
        DataError: a list or a folder is missing or broken.
    """
    found: dict[str, int] = _layout(config, root).counts(config, root)
    return found


def unofficial(layout: str, counted: Mapping[str, int]) -> list[str]:
    """In words, which sets have not as many images as their publishers give out.

    Args:
        layout: of the sets, or ``images`` for folders to pre-train on.
        counted: set → images.
    """
    published = {name: official.SETS.get((layout, name)) for name in counted}
    return [
        f"{name} has {counted[name]} images of {there.images}"
        for name, there in published.items()
        if there is not None and there.images != counted[name]
    ]


def _layout(config: TaskConfig, root: Path) -> ModuleType:
    """The module of `transfer.layouts` that reads the task's data, once there is a folder to read from."""
    check_root(root)
    return importlib.import_module(f"transfer.layouts.{config.layout}")
