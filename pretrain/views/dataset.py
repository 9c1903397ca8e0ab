"""Images in, samples out: uint8 crops and their geometry, a function of (seed, epoch, sample index)."""

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
from pretrain.views.draw import draw_photometric
from pretrain.views.geometry import Crop, in_box_mask, intersection, overlap, signed_box
from pretrain.views.layout import Layout

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


Views = tuple[Tensor, ...]
"""One tensor for each view, the two crops of every recipe first."""


@dataclass
class Batch:
    """Samples of one step, a tensor for each view; masks and overlaps of the first two alone.

    ``crops`` uint8 (B, 3, H, W); ``flips`` bool (B,); ``drawn`` float (B, 12), see ``draw.FIELDS``; ``boxes`` float
    (B, 4), signed, in image pixels; ``masks`` bool (B, S, S), cells inside the views' intersection; ``overlaps`` float
    (B, 4), the intersection in [0, 1] of the view before it is mirrored; ``sizes`` float (B, 2), (width, height) of the
    image that the view is cut from.
    """

    indices: list[int]
    crops: Views
    flips: Views
    drawn: Views
    boxes: Views
    masks: Views
    overlaps: Views
    sizes: Views

    def pin_memory(self) -> Batch:
        """Called by the loader on request: lets the copy to the device overlap with its work."""
        self.crops = tuple(crop.pin_memory() for crop in self.crops)
        return self

    def part(self, chosen: slice) -> Batch:
        """Some of the samples."""
        fields = (self.crops, self.flips, self.drawn, self.boxes, self.masks, self.overlaps, self.sizes)
        return Batch(self.indices[chosen], *(tuple(view[chosen] for view in field) for field in fields))


Field = tuple[np.ndarray, ...]
Sample = tuple[Field, ...]
"""The fields of ``Batch`` after ``indices``, of one sample."""


class ViewsDataset(Dataset[tuple[int, Sample] | UserError]):
    """Views of image files. Indexed by (epoch, sample index), so that no worker or order matters.

    An image that cannot be read gives the error as a value: raised in a worker it would arrive as a traceback.
    """

    def __init__(self, images: list[Path], layout: Layout, grid: int, seed: int) -> None:
        self.images, self.layout, self.grid, self.seed = images, layout, grid, seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, where: tuple[int, int]) -> tuple[int, Sample] | UserError:
        epoch, index = where
        rng = generator("view", self.seed, epoch, index)
        try:
            image = open_rgb(self.images[index])
            cuts = self.layout.cut(rng, index, image.size)
            others = {cut.image: open_rgb(self.images[cut.image]) for cut in cuts if cut.image is not None}
        except UserError as error:
            return error
        crops = [cut.crop for cut in cuts]
        pixels, drawn, sizes = [], [], []
        for cut, shown in zip(cuts, self.layout.shown, strict=True):
            source = image if cut.image is None else others[cut.image]
            pixels.append(cut_out(source, cut.crop, shown.size, self.layout.interpolation))
            drawn.append(draw_photometric(rng, shown.photometric))
            sizes.append(np.array(source.size, dtype=np.float32))
        pair = (crops[0], crops[1])
        masks = tuple(in_box_mask(intersection(*each), self.grid) for each in (pair, pair[::-1]))
        overlaps = tuple(overlap(*each) for each in (pair, pair[::-1]))
        flips = tuple(np.asarray(crop.flip) for crop in crops)
        boxes = tuple(map(signed_box, crops))
        return index, (tuple(pixels), flips, tuple(drawn), boxes, masks, overlaps, tuple(sizes))


def cut_out(image: Image.Image, crop: Crop, size: int, interpolation: str) -> np.ndarray:
    """A crop's pixels resized to a square: uint8 (3, size, size), not yet mirrored."""
    # Cut first: `resize(box=…)` would let pixels outside the crop into its borders.
    cut = image.crop((crop.x, crop.y, crop.x + crop.w, crop.y + crop.h))
    return np.asarray(cut.resize((size, size), _RESAMPLING[interpolation])).transpose(2, 0, 1)


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

    def stack(field: int) -> Views:
        views = range(len(samples[0][1][field]))
        return tuple(torch.from_numpy(np.stack([sample[field][view] for _, sample in samples])) for view in views)

    return Batch([index for index, _ in samples], *(stack(field) for field in range(7)))


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
