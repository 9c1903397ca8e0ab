"""Arrays of another length for every image, kept as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from ground.errors import DataError


@dataclass(frozen=True)
class Ragged:
    """Image ``i`` has the rows ``values[offsets[i]:offsets[i + 1]]``; one array, so that forked workers share it."""

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[Any], counts: NDArray[Any]) -> Ragged:
        """``values`` in which image ``i`` has the next ``counts[i]`` rows."""
        return cls(values, offsets(counts))

    @classmethod
    def stack(cls, rows: Sequence[NDArray[Any]]) -> Ragged:
        """The rows of each image, in order; there is at least one image."""
        return cls.of(np.concatenate(rows), np.array([len(each) for each in rows]))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows of each image: (N,)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self.values[self.offsets[index] : self.offsets[index + 1]]


def offsets(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Where the rows of each image begin, and where the last one's end: (N + 1,)."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What a job of prepared work left.

    Raises:
        DataError: the file is gone.
    """
    if not path.exists():
        raise DataError(path, "is gone", "Delete its run's folder and run again.")
    return load_file(path)
