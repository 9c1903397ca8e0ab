"""Image files → pixels. Pillow decides what an image is and what it looks like; libjpeg may be called past it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ground.errors import DataError

Pixels = NDArray[np.uint8]
"""An RGB image (H, W, 3)."""
COMMON = [[luma, (1, 1), (1, 1)] for luma in ((1, 1), (2, 1), (2, 2))]
"""Samples of brightness and of both colours, across and down, that decoders are tried on."""
Size = tuple[int, int]
"""(width, height)."""


def open_rgb(path: Path) -> Image.Image:
    """The decoded image.

    Raises:
        DataError: missing, truncated, or no image, naming the file.
    """
    return Image.fromarray(decode(path))


def decode(path: Path) -> Pixels:
    """The decoded image's pixels, whatever decodes them: those that Pillow gives.

    Raises:
        DataError: missing, truncated, or no image, naming the file.
    """
    return decoded(path, data_of(path))


def decoded(path: Path, data: bytes) -> Pixels:
    """The pixels of what the file at ``path`` holds; see ``decode``."""
    with _faults_of(path), Image.open(io.BytesIO(data)) as image:
        pixels = _libjpeg(data) if _plain_jpeg(image) and libjpeg_is_pillows() else None
        return np.array(image.convert("RGB")) if pixels is None else pixels


def data_of(path: Path) -> bytes:
    """What the file holds.

    Raises:
        DataError: it is missing or cannot be read, naming it.
    """
    with _faults_of(path):
        return path.read_bytes()


def written_at(path: Path) -> int:
    """When the file was last written, in nanoseconds.

    Raises:
        DataError: it is missing, naming it.
    """
    with _faults_of(path):
        return path.stat().st_mtime_ns


def header_size(path: Path) -> Size:
    """The (width, height) of an image, from its header alone.

    Raises:
        DataError: missing or no image, naming the file.
    """
    with _faults_of(path), Image.open(path) as image:
        return image.size


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError(path, "the image is gone", "Restore it, or run again to list the folder anew.") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DataError(path, f"cannot be decoded ({error})", "Replace or delete the file, then run again.") from None


def _plain_jpeg(image: Image.Image) -> bool:
    """Grey or in colours at full resolution or at half of it across or both ways, in one scan: the two differ where
    colours are kept at half the resolution down alone, on what printers use, and on a progressive one cut short."""
    if image.format != "JPEG" or image.info.get("progressive"):
        return False
    factors = [(across, down) for _, across, down, _ in getattr(image, "layer", [])]
    return image.mode == "L" or (image.mode == "RGB" and factors in COMMON)


def _libjpeg(data: bytes) -> Pixels | None:
    """A JPEG's pixels straight from libjpeg, in three quarters of the time; None if it is at fault."""
    try:
        planes = torchvision.io.decode_jpeg(
            torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=torchvision.io.ImageReadMode.RGB
        )
    except (RuntimeError, AttributeError):  # the latter where torchvision came without its image extension
        return None  # Pillow shall say what is wrong with it
    pixels: Pixels = planes.permute(1, 2, 0).contiguous().numpy()
    return pixels


@cache
def libjpeg_is_pillows() -> bool:
    """Whether torchvision's libjpeg gives the bits of Pillow's: both come with one of their own."""
    noise = np.random.default_rng(0).integers(0, 256, (67, 93, 3), dtype=np.uint8)
    for quality, subsampling in ((95, 0), (85, 1), (50, 2)):
        file = io.BytesIO()
        Image.fromarray(noise).save(file, "JPEG", quality=quality, subsampling=subsampling)
        pixels = _libjpeg(file.getvalue())
        if pixels is None or not np.array_equal(pixels, np.asarray(Image.open(file))):
            return False
    return True


def shortened(size: Size, side: int | None) -> Size:
    """The (width, height) at which an image is used: its shorter side is at most ``side``, if that is given."""
    if side is None or min(size) <= side:
        return size
    width, height = (max(1, round(length * side / min(size))) for length in size)
    return width, height


def read(path: Path, side: int | None) -> Pixels:
    """The pixels of an image, shrunk (bilinear, antialiased) so that its shorter side is at most ``side``, if given.

    Raises:
        DataError: see ``decode``.
    """
    return shrunk(decode(path), side)


def shrunk(pixels: Pixels, side: int | None) -> Pixels:
    """An image's pixels at the size at which it is used; see ``read``."""
    size = pixels.shape[1], pixels.shape[0]
    smaller = shortened(size, side)
    if smaller == size:
        return pixels
    return np.array(Image.fromarray(pixels).resize(smaller, Image.Resampling.BILINEAR))
