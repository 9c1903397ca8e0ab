"""The work behind an input: settings, a seed and images in, files out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from ground.errors import ConfigError
from ground.progress import Report, silent
from pretrain.inputs import Input


class Work(Protocol):
    """What does one kind of input; see ``run``."""

    def __call__(
        self, config: Any, *, seed: int, inputs: dict[str, Path], folders: list[Path], out: Path, report: Report
    ) -> dict[str, float]:
        """Do it."""
        ...


WORK: dict[str, Work] = {}
"""Kind of input → what does it."""


def run(
    config: Input,
    *,
    seed: int,
    inputs: dict[str, Path],
    folders: list[Path],
    out: Path,
    report: Report = silent,
) -> dict[str, float]:
    """Do the work and leave its files in ``out``; called again on the same ``out`` it goes on where it stopped.

    Args:
        config: the input's settings.
        seed: of every draw.
        inputs: run directories of what it rests on, by role (``Input.needs``, ``Input.pretrained``).
        folders: image folders; their images are listed sorted, folder by folder.
        out: the run's folder. Files directly in it are the result, but those whose stem is ``checkpoint``; what is
            only on the way there goes into a folder.
        report: told of every step.

    Returns:
        Numbers about the result, for its record.

    Raises:
        UserError: settings this machine cannot meet, unreadable images.
    """
    if config.kind not in WORK:
        raise ConfigError(f"input `{config.kind}`", "nothing here can make it yet", "Leave it out of the recipe.")
    return WORK[config.kind](config, seed=seed, inputs=inputs, folders=folders, out=out, report=report)
