"""What is trained on is named once and not tested on, whatever data set it is of. Light: opens no file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ground.errors import DataError


class Sets(Protocol):
    """The sets of a task, each ``data set/split``."""

    @property
    def train(self) -> tuple[str, ...]:
        """What is trained on, one after the other."""

    @property
    def test(self) -> str:
        """What is tested on."""


def check_apart(sets: Sets, where: Mapping[str, Path], images: Mapping[str, Mapping[Path, str]]) -> None:
    """No list is trained on twice, and no photograph that is trained on is tested on.

    Args:
        sets: the task's.
        where: of each set, what says which photographs are in it.
        images: of each set, the photographs' names by their files.

    Raises:
        DataError: one is; names the training set's list and the photograph.
    """
    for place, name in enumerate(sets.train):
        if name in sets.train[:place]:
            raise DataError(where[name], f"`sets.train` names {name} twice", "Name it once.")
        both = [image for path, image in images[name].items() if path in images[sets.test]]
        if both:
            problem = f"`{both[0]}` is tested on in {sets.test}, too ({len(both)} such)"
            raise DataError(where[name], problem, "Take the images of the test set off it, or it off `sets.train`.")
