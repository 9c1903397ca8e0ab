"""Images in, batches out: uint8 crops and their geometry, each sample a function of (seed, epoch, sample index)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from ground.errors import UserError
from ground.seeding import generator
from pretrain.views.cutting import cut_into
from pretrain.views.decoding import Pixels
from pretrain.views.draw import FIELDS, draw_photometric
from pretrain.views.geometry import Crop, covering, in_box_mask, intersection, overlap, signed_box
from pretrain.views.layout import Layout
from pretrain.views.pictures import Picture, Pictures

Views = tuple[Tensor, ...]
"""One tensor for each view, the two crops of every recipe first."""
Arrays = dict[str, tuple[NDArray[Any], ...]]
Plan = dict[str, tuple[tuple[int, tuple[int, ...], torch.dtype], ...]]
"""Field → of each view the offset in bytes, the shape and the type; crops channels last."""
Place = tuple[int, int]
"""(epoch, sample index)."""
ALIGNED = 64
"""Bytes: where a tensor may begin."""
TOGETHER = 8 * 1024**2
"""Bytes of pixels that images have whose samples are made together: nine photographs of COCO."""
KEPT = 3
"""Batches of a worker's memory that are used in turn: it is at most two batches ahead of its last that was pinned, so
nobody reads the one it fills."""


@dataclass(frozen=True)
class _Part:
    """One image of the sample in that row of a batch: (view, crop) of all that is cut of it, and what covers them."""

    row: int
    picture: Picture
    crops: list[tuple[int, Crop]]
    shown: Crop


@dataclass
class Batch:
    """Samples of one step, a tensor for each view; masks and overlaps of the first two alone.

    ``crops`` uint8 (B, 3, H, W), in memory channels last; ``flips`` bool (B,); ``drawn`` float (B, 12), see
    ``draw.FIELDS``; ``boxes`` float (B, 4), signed, in image pixels; ``masks`` bool (B, S, S), cells inside the views'
    intersection; ``overlaps`` float (B, 4), the intersection in [0, 1] of the view before it is mirrored; ``sizes``
    float (B, 2), (width, height) of the image that the view is cut from.
    """

    indices: list[int]
    crops: Views
    flips: Views
    drawn: Views
    boxes: Views
    masks: Views
    overlaps: Views
    sizes: Views

    def __post_init__(self) -> None:
        self.memory: Tensor | None = None
        self.plan: Plan = {}

    @classmethod
    def within(cls, indices: list[int], memory: Tensor, plan: Plan) -> Batch:
        """A batch whose tensors lie in ``memory`` (uint8, flat) as ``plan`` says: it is handed over as one."""

        def view(offset: int, shape: tuple[int, ...], kind: torch.dtype) -> Tensor:
            return memory[offset : offset + math.prod(shape) * kind.itemsize].view(kind).view(shape)

        views = {name: tuple(view(*place) for place in places) for name, places in plan.items()}
        views["crops"] = tuple(crop.permute(0, 3, 1, 2) for crop in views["crops"])
        batch = cls(indices, **views)
        batch.memory, batch.plan = memory, plan
        return batch

    def __reduce__(self) -> tuple[Any, ...]:
        """One tensor is one handshake with the process that reads it; fourteen took milliseconds."""
        if self.memory is not None:
            return Batch.within, (self.indices, self.memory, self.plan)
        return Batch, (self.indices, *(getattr(self, name) for name in _FIELDS))

    def pin_memory(self) -> Batch:
        """Called by the loader on request: lets copies to the device overlap with its work."""
        if self.memory is None:
            return self._each(Tensor.pin_memory)
        _mapped.setdefault(self.memory.data_ptr(), self.memory)
        return Batch.within(self.indices, self.memory.pin_memory(), self.plan)

    def part(self, chosen: slice) -> Batch:
        """Some of the samples."""
        part = self._each(lambda view: view[chosen])
        part.indices = self.indices[chosen]
        return part

    def arrays(self) -> Arrays:
        """The same memory for NumPy, by field: indexing it is cheaper than indexing tensors."""
        return {name: tuple(view.numpy() for view in getattr(self, name)) for name in _FIELDS}

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(self.indices, *(tuple(map(change, getattr(self, name))) for name in _FIELDS))


_FIELDS = tuple(field.name for field in fields(Batch))[1:]
_mapped: dict[int, Tensor] = {}
"""Memory of workers that this process has seen: while it is kept, torch maps it once and not for every batch."""


class ViewsDataset(Dataset[Batch | UserError]):
    """Views of images. Indexed by the (epoch, sample index) of a whole batch, so that no worker or order matters.

    An image that cannot be read gives the error as a value: raised in a worker it would arrive as a traceback.

    Args:
        images: what views are cut of.
        layout: which views a sample has.
        grid: cells along a side of the masks.
        seed: of all draws.
        kept: batches whose memory is used in turn; 0 takes new memory for each, which costs as much as cutting a small
            view. A batch is overwritten when ``kept`` others have been asked for, so whoever takes them copies them
            before: a loader that pins memory does.
    """

    def __init__(self, images: Pictures, layout: Layout, grid: int, seed: int, kept: int = 0) -> None:
        self.images, self.layout, self.grid, self.seed = images, layout, grid, seed
        self.kept, self._asked = kept, 0
        self._used: dict[int, Batch] = {}
        _mapped.clear()  # of an earlier loader

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, places: list[Place]) -> Batch | UserError:
        batch = self._memory(places)
        rows = batch.arrays()
        try:
            self._fill(rows, places)
        except UserError as error:
            return error
        return batch

    def _memory(self, places: list[Place]) -> Batch:
        """A batch to be filled, of new memory or of one that nobody reads any more."""
        if not self.kept:
            return self._empty(places)
        self._asked += 1
        slot = self._asked % self.kept
        if slot not in self._used or len(self._used[slot].indices) != len(places):
            self._used[slot] = self._empty(places)
        used = self._used[slot]
        assert used.memory is not None
        return Batch.within([index for _, index in places], used.memory, used.plan)

    def _empty(self, places: list[Place]) -> Batch:
        """A batch to be filled: whatever is large is written where it stays."""
        count, shown, grid = len(places), self.layout.shown, self.grid
        shapes: dict[str, list[tuple[tuple[int, ...], torch.dtype]]] = {
            "crops": [((count, each.size, each.size, 3), torch.uint8) for each in shown],
            "flips": [((count,), torch.bool)] * len(shown),
            "drawn": [((count, len(FIELDS)), torch.float32)] * len(shown),
            "boxes": [((count, 4), torch.float32)] * len(shown),
            "masks": [((count, grid, grid), torch.bool)] * 2,
            "overlaps": [((count, 4), torch.float32)] * 2,
            "sizes": [((count, 2), torch.float32)] * len(shown),
        }
        plan, end = {}, 0
        for name, views in shapes.items():
            offsets = []
            for shape, kind in views:
                offsets.append((end, shape, kind))
                end += -(-math.prod(shape) * kind.itemsize // ALIGNED) * ALIGNED
            plan[name] = tuple(offsets)
        return Batch.within([index for _, index in places], _blank(end), plan)

    def _fill(self, batch: Arrays, places: list[Place]) -> None:
        """Write the samples into their rows.

        What drawing, decoding and cutting leave in a core's caches is of no use to each other: each is done for some
        samples, which saves up to a tenth of the time.
        """
        drawn: list[_Part] = []
        size = 0
        for row, (epoch, index) in enumerate(places):
            parts = self._place(batch, row, epoch, index)
            drawn += parts
            size += sum(3 * math.prod(part.picture.size) for part in parts)
            if size >= TOGETHER or row == len(places) - 1:
                pixels = [part.picture.part(part.shown.box) for part in drawn]
                for part, shown in zip(drawn, pixels, strict=True):
                    self._cut(batch, part, shown)
                drawn, size = [], 0

    def _place(self, batch: Arrays, row: int, epoch: int, index: int) -> list[_Part]:
        """Draw one sample and write its row, but for the pixels: where these are to be had."""
        rng, layout = generator("view", self.seed, epoch, index), self.layout
        picture = self.images[index]
        cuts = layout.cut(rng, index, picture.size)
        pictures = {cut.image: picture if cut.image is None else self.images[cut.image] for cut in cuts}
        for view, (cut, shown) in enumerate(zip(cuts, layout.shown, strict=True)):
            batch["drawn"][view][row] = draw_photometric(rng, shown.photometric)
            batch["flips"][view][row] = cut.crop.flip
            batch["boxes"][view][row] = signed_box(cut.crop)
            batch["sizes"][view][row] = pictures[cut.image].size
        pair = (cuts[0].crop, cuts[1].crop)
        for view, each in enumerate((pair, pair[::-1])):
            batch["masks"][view][row] = in_box_mask(intersection(*each), self.grid)
            batch["overlaps"][view][row] = overlap(*each)
        crops = {image: [(view, cut.crop) for view, cut in enumerate(cuts) if cut.image == image] for image in pictures}
        return [_Part(row, pictures[image], cut, covering([crop for _, crop in cut])) for image, cut in crops.items()]

    def _cut(self, batch: Arrays, part: _Part, pixels: Pixels) -> None:
        """Write the crops of one image into their places; ``pixels`` are those of ``part.shown``."""
        views = self.layout.views
        for view, crop in part.crops:
            out = batch["crops"][view][part.row].transpose(1, 2, 0)
            cut_into(out, pixels, crop.within(part.shown), views.interpolation, views.resampler)


def _blank(size: int) -> Tensor:
    """So many bytes to be written. A worker's are shared with the process that trains: handing over copies nothing."""
    if get_worker_info() is None:
        return torch.empty(size, dtype=torch.uint8)
    shared = torch.UntypedStorage._new_shared(size)  # as torch's own collate function does
    return torch.empty(0, dtype=torch.uint8).set_(shared, 0, (size,))  # type: ignore[call-overload,no-any-return]


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
