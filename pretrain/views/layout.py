"""Which views a sample has: where each is cut, how large it is shown, what happens to its colours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ground.errors import ConfigError
from pretrain.view_config import Photometric, Views
from pretrain.views.geometry import Crop, draw_pair


@dataclass(frozen=True)
class Shown:
    """How a view is shown: side in pixels, and colours."""

    size: int
    photometric: Photometric


@dataclass(frozen=True)
class Cut:
    """One view of a sample: a crop of its own image, or of the image with that index."""

    crop: Crop
    image: int | None = None


class Layout(ABC):
    """The views of a recipe's samples. The first two are the crops that every recipe has; others come after them.

    Args:
        views: the recipe's settings.
        inputs: run directories of the jobs that the recipe rests on, by role.
    """

    shown: tuple[Shown, ...]
    images: int | None = None
    """How many images it knows cuts of, if it does not draw them all."""

    def __init__(self, views: Views, inputs: dict[str, Path]) -> None:
        self.views, self.inputs = views, inputs
        self.shown = (Shown(views.size, views.first), Shown(views.size, views.second))

    def input(self, role: str, what: str) -> Path:
        """The run directory of an input without which it cannot cut.

        Raises:
            ConfigError: there is none; ``what`` says what is missing for which use.
        """
        if role not in self.inputs:
            remedy = "Run the recipe through the harness: it makes them first."
            raise ConfigError(f"inputs.{role}", f"{what} are missing", remedy)
        return self.inputs[role]

    @abstractmethod
    def cut(self, rng: np.random.Generator, index: int, size: tuple[int, int]) -> list[Cut]:
        """The cuts of one sample, one for each of ``shown``.

        Args:
            rng: of (seed, epoch, index); all that is random comes from it.
            index: number of the image in the list.
            size: (width, height) of the image.
        """


class TwoCrops(Layout):
    """Two crops of the image and nothing else."""

    def cut(self, rng: np.random.Generator, index: int, size: tuple[int, int]) -> list[Cut]:
        """See ``Layout.cut``."""
        return [Cut(crop) for crop in draw_pair(rng, *size, self.views)]
