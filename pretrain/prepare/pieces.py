"""Work on a long list of images in pieces, each kept in a file: a killed job goes on with the first piece missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save as safetensors
from torch.utils.data import DataLoader, Dataset

from ground import stopping
from ground.errors import UserError
from ground.files import atomic_path
from ground.progress import Report
from pretrain.views.decoding import open_rgb

PIECE = 512
"""Images of a piece. Batches never span two, so it decides how sums are rounded: changing it is a new ``version``."""
SMALL_PIECE = 64
"""Of work that takes seconds an image and knows no batches: what is lost when it has to stop."""

Arrays = dict[str, NDArray[Any]]
Item = TypeVar("Item")


class Pieces:
    """Named arrays for every ``size`` (or ``PIECE``) images of a list, in files below ``folder``."""

    def __init__(self, folder: Path, images: int, size: int = 0) -> None:
        self.folder, self.images, self.size = folder, images, size or PIECE

    def __len__(self) -> int:
        return -(-self.images // self.size)

    def of(self, number: int) -> range:
        """The images of a piece."""
        return range(number * self.size, min((number + 1) * self.size, self.images))

    def where(self, image: int) -> tuple[int, int]:
        """The number of an image's piece, and its place there."""
        return divmod(image, self.size)

    def missing(self) -> list[int]:
        """Numbers of the pieces still to be done."""
        return [number for number in range(len(self)) if not self._path(number).exists()]

    def work(
        self,
        paths: list[Path],
        make: Callable[[Image.Image, int], Item],
        workers: int,
        report: Report,
        total: int,
    ) -> Iterator[tuple[int, Iterator[Item]]]:
        """Each missing piece's number and ``make(image, index)`` of its images, in order.

        Items must be taken before the next piece is asked for. They are made by ``workers`` processes, ahead; how many
        changes nothing. ``report`` is told of every image, of ``total``.

        Raises:
            DataError: an image cannot be decoded, naming it.
        """
        missing = self.missing()
        indices = [index for number in missing for index in self.of(number)]
        items = enumerate(_stream(paths, make, indices, workers), start=self.images - len(indices) + 1)

        def counted(size: int) -> Iterator[Item]:
            for done, item in islice(items, size):
                yield item
                report(done, total)
                stopping.check()

        for number in missing:
            yield number, counted(len(self.of(number)))

    def keep(self, number: int, arrays: Arrays) -> None:
        """Write a piece, whole or not at all."""
        with atomic_path(self._path(number)) as temporary:
            temporary.write_bytes(safetensors(arrays))

    def whole(self, name: str) -> NDArray[Any]:
        """One array of all pieces, concatenated."""
        return np.concatenate([file.get_tensor(name) for file in self._files])

    def rows(self, number: int, name: str, begin: int, end: int) -> NDArray[Any]:
        """Some rows of a piece's array; only they are read."""
        return cast(NDArray[Any], self._files[number].get_slice(name)[begin:end])

    def drop(self) -> None:
        """Remove them all: what was wanted of them is kept elsewhere."""
        self.__dict__.pop("_files", None)
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def _files(self) -> list[Any]:
        """All pieces, mapped into memory; once they are all there."""
        return [safe_open(self._path(number), framework="np") for number in range(len(self))]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.safetensors"


class Images(Dataset[Any]):
    """What ``make(image, index)`` makes of image files.

    An image that cannot be read gives the error as a value: raised in a worker it would arrive as a traceback.
    """

    def __init__(self, paths: list[Path], make: Callable[[Image.Image, int], Any]) -> None:
        self.paths, self.make = paths, make

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.make(open_rgb(self.paths[index]), index)
        except UserError as error:
            return error


def _stream(
    paths: list[Path], make: Callable[[Image.Image, int], Item], indices: list[int], workers: int
) -> Iterator[Item]:
    """``make(image, index)`` of the images ``indices``, in this order."""
    loader = DataLoader(
        Images(paths, make),
        batch_size=None,
        sampler=indices,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=stopping.in_worker,
    )
    for item in loader:
        if isinstance(item, UserError):
            raise item
        yield item


def _as_it_is(item: Any) -> Any:
    return item
