"""Images in, samples out: two uint8 crops and their geometry, a function of (seed, epoch, sample index)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ground.errors import DataError, UserError
from ground.seeding import generator
from pretrain.config import Views
from pretrain.views.draw import draw_photometric
from pretrain.views.geometry import draw_pair, in_box_mask, intersection, signed_box

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


Pair = tuple[Tensor, Tensor]
"""View 1's and view 2's."""


@dataclass
class Batch:
    """Samples of one step; every field is a pair, view 1 and view 2.

    ``crops`` uint8 (B, 3, H, W); ``flips`` bool (B,); ``drawn`` float (B, 12), see ``draw.FIELDS``; ``masks`` bool
    (B, S, S), cells inside the views' intersection; ``boxes`` float (B, 4), signed, in image pixels.
    """

    indices: list[int]
    crops: Pair
    flips: Pair
    drawn: Pair
    masks: Pair
    boxes: Pair

    def pin_memory(self) -> Batch:
        """Called by the loader on request: lets the copy to the device overlap with its work."""
        self.crops = (self.crops[0].pin_memory(), self.crops[1].pin_memory())
        return self


Sample = tuple[tuple[np.ndarray, ...], ...]


class TwoViews(Dataset[tuple[int, Sample] | UserError]):
    """Pairs of views of image files. Indexed by (epoch, sample index), so that no worker or order matters.

    An image that cannot be read gives the error as a value: raised in a worker it would arrive as a traceback.
    """

    def __init__(self, images: list[Path], views: Views, grid: int, seed: int) -> None:
        self.images, self.views, self.grid, self.seed = images, views, grid, seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, where: tuple[int, int]) -> tuple[int, Sample] | UserError:
        epoch, index = where
        try:
            image = open_rgb(self.images[index])
        except UserError as error:
            return error
        rng = generator("view", self.seed, epoch, index)
        pair = draw_pair(rng, *image.size, self.views)
        size = (self.views.size, self.views.size)
        sample: list[tuple[np.ndarray, ...]] = []
        for crop, other, photometric in zip(pair, pair[::-1], (self.views.first, self.views.second), strict=True):
            # Cut first: `resize(box=…)` would let pixels outside the crop into its borders.
            cut = image.crop((crop.x, crop.y, crop.x + crop.w, crop.y + crop.h))
            cut = cut.resize(size, _RESAMPLING[self.views.interpolation])
            sample.append(
                (
                    np.asarray(cut).transpose(2, 0, 1),
                    np.asarray(crop.flip),
                    draw_photometric(rng, photometric),
                    in_box_mask(intersection(crop, other), self.grid),
                    signed_box(crop),
                )
            )
        return index, tuple(sample)


def open_rgb(path: Path) -> Image.Image:
    """The decoded image.

    Raises:
        DataError: missing, truncated, or no image, naming the file.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise DataError(path, "the image is gone", "Restore it, or run again to list the folder anew.") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DataError(path, f"cannot be decoded ({error})", "Replace or delete the file, then run again.") from None


def collate(fetched: list[tuple[int, Sample] | UserError]) -> Batch | UserError:
    """Stack samples field by field and view by view; the first error, if there is one."""
    samples = []
    for item in fetched:
        if isinstance(item, UserError):
            return item
        samples.append(item)

    def stack(field: int) -> Pair:
        first, second = (torch.from_numpy(np.stack([sample[view][field] for _, sample in samples])) for view in (0, 1))
        return first, second

    return Batch([index for index, _ in samples], *(stack(field) for field in range(5)))


class StepSampler(Sampler[list[tuple[int, int]]]):
    """This rank's share of every step from ``first_step`` to the end: lists of (epoch, sample index).

    One pass over it is the whole training, so a loader starts its workers once and an interrupted epoch goes on in
    its middle. The order of an epoch is a function of (seed, epoch) alone; ranks take contiguous shares of a step.
    """

    def __init__(
        self, images: int, batch: int, epochs: int, seed: int, first_step: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self.images, self.batch, self.epochs, self.seed = images, batch, epochs, seed
        self.first_step, self.rank, self.share = first_step, rank, batch // world
        self.steps_per_epoch = images // batch

    def __len__(self) -> int:
        return self.epochs * self.steps_per_epoch - self.first_step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch in range(self.first_step // self.steps_per_epoch, self.epochs):
            order = generator("order", self.seed, epoch).permutation(self.images)
            start = self.first_step % self.steps_per_epoch if epoch == self.first_step // self.steps_per_epoch else 0
            for step in range(start, self.steps_per_epoch):
                begin = step * self.batch + self.rank * self.share
                yield [(epoch, int(index)) for index in order[begin : begin + self.share]]
