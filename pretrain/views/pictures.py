"""Images as views are cut of them: the size of one is known before its pixels, and not all of these are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pretrain.views import region
from pretrain.views.boxes import Box
from pretrain.views.decoding import Pixels, Size, data_of, decoded, shortened, shrunk


class Picture(Protocol):
    """One image."""

    size: Size

    def part(self, box: Box) -> Pixels:
        """The pixels in a box (x, y, w, h) that lies in the image: (h, w, 3).

        Raises:
            DataError: the image cannot be decoded.
        """


class Pictures(Protocol):
    """Images by number; to take one may raise a ``UserError``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Picture: ...


class Whole:
    """An image whose pixels (H, W, 3) are there."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.size: Size = (pixels.shape[1], pixels.shape[0])

    def part(self, box: Box) -> Pixels:
        """See ``Picture.part``."""
        x, y, w, h = box
        return self.pixels[y : y + h, x : x + w]


class Jpeg:
    """A JPEG of ``size`` that is decoded as far as is asked for; ``data`` is what the file at ``path`` holds."""

    def __init__(self, path: Path, data: bytes, size: Size) -> None:
        self.path, self.data, self.size = path, data, size

    def part(self, box: Box) -> Pixels:
        """See ``Picture.part``."""
        pixels = region.decode(self.data, self.size, box)
        if pixels is None:
            return Whole(decoded(self.path, self.data)).part(box)  # as it is seen, or said, by who decodes all
        return pixels


class Files:
    """Image files, decoded whenever they are asked for.

    Args:
        paths: the images.
        side: their shorter side is at most this, if given.
        partly: JPEGs are decoded no further than they are shown where that can be done (``region``): the same bits.
    """

    def __init__(self, paths: Sequence[Path], side: int | None = None, partly: bool = True) -> None:
        self.paths, self.side, self.partly = paths, side, partly

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Picture:
        path = self.paths[index]
        data = data_of(path)
        size = region.size_of(data) if self.partly else None
        if size is not None and shortened(size, self.side) == size:
            return Jpeg(path, data, size)
        return Whole(shrunk(decoded(path, data), self.side))
