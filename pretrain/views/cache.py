"""Decoded images in one file that every process of a machine maps into its memory, so that each is decoded once.

The file holds the very pixels that ``decoding.read`` gives: whether it is used changes no result. Several jobs may make
it at once: they write the same bytes to the same places, and each passes over the pieces that another has finished.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import features
from torch.utils.data import DataLoader, Dataset

from ground import stopping
from ground.config import digest
from ground.errors import DataError, StorageError, UserError
from ground.files import atomic_path, storage_errors, write_json
from pretrain.views import worker
from pretrain.views.decoding import Pixels, Size, header_size, read, shortened, written_at
from pretrain.views.pictures import Files, Whole

VERSION = 1
PIECE = 64
"""Images that a process decodes before it notes them as done."""
INDEX, PIXELS, DONE, WHOLE = "index.npy", "pixels", "done", "whole.json"


class Decoded:
    """The pixels of a finished cache. What is read stays in memory while there is room, for all processes together."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.places = folder, cast(NDArray[np.int64], np.load(folder / INDEX))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Whole:
        offset, width, height = self.places[index].tolist()
        return Whole(self._bytes[offset : offset + 3 * width * height].reshape(height, width, 3))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_bytes"}

    @cached_property
    def _bytes(self) -> Pixels:
        # Copy on write: torch takes no array that cannot be written, and nobody writes.
        with open(self.folder / PIXELS, "rb") as file:
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), dtype=np.uint8)


def folder_of(home: Path, fingerprint: str, images: Files) -> Path:
    """Where a cache lies below ``home``: a name for the images, how far they are shrunk and what decodes them.

    The fingerprint sees names and sizes; an image replaced by one of the same size shows in when it was written.

    Raises:
        DataError: an image is gone.
    """
    times = hashlib.sha256()
    for path in images.paths:
        times.update(b"%d\n" % written_at(path))
    decoder = [PIL.__version__, *(features.version(name) for name in ("jpg", "libjpeg_turbo", "webp"))]
    identity = {"images": fingerprint, "written": times.hexdigest(), "shorten": images.side, "decoder": decoder}
    return home / digest({**identity, "version": VERSION})[:16]


def is_whole(folder: Path) -> bool:
    """Whether the cache in ``folder`` was finished and is as long as it was."""
    try:
        there = json.loads((folder / WHOLE).read_text(encoding="utf-8"))
        return bool((folder / PIXELS).stat().st_size == there["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def make(images: Files, folder: Path, workers: int, told: Callable[[int], None], say: Callable[[str], None]) -> Decoded:
    """The finished cache of ``images`` in ``folder``; what is missing of it is made, by ``workers`` processes.

    Args:
        images: what to keep.
        folder: of this cache alone, see ``folder_of``.
        workers: 0 decodes in this process.
        told: how many images are there.
        say: takes a line for the log.

    Raises:
        DataError: an image cannot be decoded, naming it.
        StorageError: there is no room for it, before anything is written, or the disk is not writable.
    """
    if not is_whole(folder):
        with storage_errors(folder):
            _make(images, folder, workers, told, say)
    return Decoded(folder)


def _make(images: Files, folder: Path, workers: int, told: Callable[[int], None], say: Callable[[str], None]) -> None:
    (folder / DONE).mkdir(parents=True, exist_ok=True)
    index = _index(images, folder, workers)
    total = _bytes(index)
    path = folder / PIXELS
    _check_room(path, total)
    if not path.exists() or path.stat().st_size != total:  # nothing yet, or cut short: what was noted of it is void
        for note in (folder / DONE).iterdir():
            note.unlink(missing_ok=True)
        (folder / WHOLE).unlink(missing_ok=True)
        with open(path, "ab") as file:
            file.truncate(total)
    say(f"decoded images are kept in {folder}: {len(index)} images, {total / 1e9:.1f} GB")
    work = _Writing(images, folder, index)
    missing = [number for number in range(len(work)) if not (folder / DONE / str(number)).exists()]
    random.Random(os.getpid()).shuffle(missing)  # other jobs that make it start elsewhere; the order changes nothing
    done = len(images) - sum(len(work.members(number)) for number in missing)
    for number in _in_processes(work, missing, workers):
        done += len(work.members(number))
        told(done)
        stopping.check()
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    write_json(folder / WHOLE, {"images": len(images), "bytes": total})


def _index(images: Files, folder: Path, workers: int) -> NDArray[np.int64]:
    """(offset, width, height) of every image, (N, 3); from the files' headers alone."""
    path = folder / INDEX
    if not path.exists():
        work = _Sizes(images)
        sizes = np.array([size for piece in _in_processes(work, range(len(work)), workers) for size in piece])
        offsets = np.concatenate([[0], np.cumsum(3 * sizes.prod(1))[:-1]])
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.save(file, np.concatenate([offsets[:, None], sizes], axis=1))
    return cast(NDArray[np.int64], np.load(path))


def _bytes(index: NDArray[np.int64]) -> int:
    offset, width, height = index[-1].tolist()
    return int(offset + 3 * width * height)


def _check_room(path: Path, total: int) -> None:
    """What the file takes up already, which has holes until it is whole, needs no room any more."""
    free = shutil.disk_usage(path.parent).free
    missing = total - (512 * path.stat().st_blocks if path.exists() else 0)
    if missing > free:
        problem = f"{missing / 1e9:.1f} GB of decoded images do not fit {free / 1e9:.1f} GB"
        raise StorageError(
            path.parent, problem, "Set train.cache to a larger disk or to `off`, or views.shorten to a side."
        )


class _Piecewise(Dataset[Any], ABC):
    """What ``of`` makes of a piece of the images; an error comes as a value, see ``dataset.ViewsDataset``."""

    def __init__(self, images: Files) -> None:
        self.images = images

    def __len__(self) -> int:
        return -(-len(self.images) // PIECE)

    def __getitem__(self, number: int) -> Any:
        try:
            return self.of(number)
        except UserError as error:
            return error

    def members(self, number: int) -> range:
        """The images of a piece."""
        return range(number * PIECE, min((number + 1) * PIECE, len(self.images)))

    @abstractmethod
    def of(self, number: int) -> Any:
        """What is made of a piece."""


class _Sizes(_Piecewise):
    """The (width, height) at which the images are kept."""

    def of(self, number: int) -> list[Size]:
        return [shortened(header_size(self.images.paths[index]), self.images.side) for index in self.members(number)]


class _Writing(_Piecewise):
    """Images in their places in the file."""

    def __init__(self, images: Files, folder: Path, index: NDArray[np.int64]) -> None:
        super().__init__(images)
        self.folder, self.index = folder, index

    def of(self, number: int) -> int:
        note = self.folder / DONE / str(number)
        if note.exists():  # another job has been here meanwhile
            return number
        with storage_errors(self.folder), open(self.folder / PIXELS, "r+b") as file:
            for member in self.members(number):
                offset, width, height = self.index[member].tolist()
                pixels = read(self.images.paths[member], self.images.side)
                if pixels.shape != (height, width, 3):
                    problem = f"is not {width} × {height} pixels large, as it was when the cache was begun"
                    raise DataError(self.images.paths[member], problem, f"Delete {self.folder} and run again.")
                file.seek(offset)
                file.write(pixels.data if pixels.flags.c_contiguous else pixels.tobytes())
            file.flush()
            os.fsync(file.fileno())  # before it is noted as done
            note.touch()
        return number


def _in_processes(work: _Piecewise, pieces: Sequence[int], workers: int) -> Iterator[Any]:
    """``work`` of each piece, in order."""
    loader: DataLoader[Any] = DataLoader(
        work,
        batch_size=None,
        sampler=pieces,
        num_workers=min(workers, len(pieces)),
        worker_init_fn=worker.begin,
    )
    for item in loader:
        if isinstance(item, UserError):
            raise item
        yield item
