"""What the correspondences of a data set are, as they lie on disk: ``correspondences.safetensors``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as safetensors

from ground.files import atomic_path
from pretrain.prepare.ragged import Ragged, read_arrays

NAME = "correspondences.safetensors"


@dataclass(frozen=True)
class Found:
    """Regions of N images and which of them look alike.

    ``boxes``: rows (x, y, w, h), uint16, in pixels of the image; each image has at least one. ``neighbours`` int32
    (N, K): numbers of the most similar images. ``pairs``: rows (a, b), uint16; an image's are those with its first
    neighbour, best first, then as many with its second …; region ``a`` is the image's own, ``b`` the neighbour's.
    """

    boxes: Ragged
    neighbours: NDArray[np.int32]
    pairs: Ragged

    def alike(self, index: int, rank: int) -> tuple[int, NDArray[Any]]:
        """An image's neighbour number ``rank`` and their pairs (n, 2)."""
        pairs = self.pairs[index].reshape(self.neighbours.shape[1], -1, 2)
        return int(self.neighbours[index, rank]), pairs[rank]

    def save(self, folder: Path) -> None:
        """Write ``folder/correspondences.safetensors``, whole or not at all."""
        arrays = {
            "boxes": self.boxes.values,
            "box_offsets": self.boxes.offsets,
            "neighbours": self.neighbours,
            "pairs": self.pairs.values,
            "pair_offsets": self.pairs.offsets,
        }
        with atomic_path(folder / NAME) as temporary:
            temporary.write_bytes(safetensors(arrays))


def load(folder: Path) -> Found:
    """What a job found, from its run directory.

    Raises:
        DataError: the file is gone.
    """
    arrays = read_arrays(folder / NAME)
    return Found(
        Ragged(arrays["boxes"], arrays["box_offsets"]),
        arrays["neighbours"],
        Ragged(arrays["pairs"], arrays["pair_offsets"]),
    )
