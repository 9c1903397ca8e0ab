"""Which images make a batch: a function of seed and iteration, whatever the number of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import count
from typing import Any

import numpy as np
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from ground.seeding import generator
from transfer.segmentation.data import Place


@DATA_SAMPLERS.register_module()
class PlaceSampler(Sampler[Place]):
    """Places without end, epoch after epoch in a fresh shuffle, from iteration ``start`` on.

    A batch that an epoch's last images do not fill goes on with the next one's first (mmengine: ``InfiniteSampler``).

    Args:
        dataset: as many images as it has.
        axes: the task's name and the run's seed.
        share: images of a batch that a process has.
        rank: of this process; the first takes a batch's first images.
        processes: how many share a batch.
        seed: mmengine's; not used.
    """

    def __init__(
        self, dataset: Sized, axes: tuple[str, int], share: int, rank: int, processes: int, seed: Any = None
    ) -> None:
        self.images, (self.task, self.seed) = len(dataset), axes
        self.share, self.rank, self.processes = share, rank, processes
        self.start = 0

    def __iter__(self) -> Iterator[Place]:
        """This process's places."""
        epoch, order = -1, np.empty(0, int)
        for iteration in count(self.start):
            first = (iteration * self.processes + self.rank) * self.share
            for position in range(first, first + self.share):
                wanted, within = divmod(position, self.images)
                if wanted != epoch:
                    epoch, order = wanted, generator(self.task, "order", self.seed, wanted).permutation(self.images)
                yield epoch, int(order[within])

    def __len__(self) -> int:
        """Images of an epoch."""
        return self.images
