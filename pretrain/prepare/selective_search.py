"""Boxes around whatever may be a thing in an image: OpenCV's selective search (methods.md 7, stage 2b)."""

from __future__ import annotations

import ctypes
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save as safetensors

from ground.errors import ConfigError, DataError
from ground.files import atomic_path
from ground.progress import Report
from ground.seeding import derive_seed
from pretrain.inputs import SelectiveSearch
from pretrain.prepare.pieces import SMALL_PIECE, Pieces
from pretrain.prepare.ragged import Ragged, read_arrays

NAME = "boxes.safetensors"


def run(config: SelectiveSearch, *, seed: int, images: list[Path], out: Path, report: Report) -> dict[str, float]:
    """Write ``out/boxes.safetensors``: every box of every image; see ``load``. Returns how many an image has.

    Raises:
        UserError: an image cannot be decoded, or OpenCV was built without its contributed modules.
    """
    if not hasattr(cv2, "ximgproc"):
        remedy = "Reinstall opencv-contrib-python-headless: another OpenCV package lies over it."
        raise ConfigError("selective search", "this OpenCV has no `ximgproc`", remedy)
    pieces = Pieces(out / "small", len(images), SMALL_PIECE)
    if not (out / NAME).exists():
        find = partial(_boxes, images=images, config=config, seed=seed)
        for number, found in pieces.work(images, find, config.workers, report, total=len(images)):
            rows = Ragged.stack(list(found))
            pieces.keep(number, {"boxes": rows.values, "counts": rows.counts})
        whole = Ragged.of(pieces.whole("boxes"), pieces.whole("counts"))
        with atomic_path(out / NAME) as temporary:
            temporary.write_bytes(safetensors({"boxes": whole.values, "offsets": whole.offsets}))
    pieces.drop()
    boxes = load(out)
    return {"boxes": len(boxes.values) / len(boxes)}


def load(folder: Path) -> Ragged:
    """The boxes (x, y, w, h) of every image in pixels, uint16, in the order of the search: those likely to be things
    come first, by chance in part.

    Raises:
        DataError: the file is gone.
    """
    arrays = read_arrays(folder / NAME)
    return Ragged(arrays["boxes"], arrays["offsets"])


def _boxes(
    image: Image.Image, index: int, *, images: list[Path], config: SelectiveSearch, seed: int
) -> NDArray[np.uint16]:
    """Every box of one image, at least one: (N, 4).

    Raises:
        DataError: the image is larger than 16 bits count.
    """
    if max(image.size) >= 2**16:
        raise DataError(images[index], f"is {image.width} × {image.height} pixels large", "Shrink or delete it.")
    shown = image
    if config.longest and max(image.size) > config.longest:
        factor = config.longest / max(image.size)
        shown = image.resize([max(1, round(side * factor)) for side in image.size], Image.Resampling.BILINEAR)
    boxes = search(np.asarray(shown), config.method, derive_seed("search", seed, index))
    return enlarged(boxes, shown.size, image.size)


def search(pixels: NDArray[np.uint8], method: str, seed: int) -> NDArray[np.int32]:
    """The boxes of an RGB image (H, W, 3) in OpenCV's order: (N, 4).

    Which boxes there are is certain; their order is drawn by OpenCV from the C library's generator, which has no
    other user here (the release leaves it unseeded).
    """
    cv2.setNumThreads(1)
    ctypes.CDLL(None).srand(seed % 2**31)
    searcher = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    searcher.setBaseImage(np.ascontiguousarray(pixels[..., ::-1]))
    if method == "fast":
        searcher.switchToSelectiveSearchFast()
    else:
        searcher.switchToSelectiveSearchQuality()
    return np.asarray(searcher.process(), dtype=np.int32)


def enlarged(boxes: NDArray[Any], seen: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint16]:
    """Boxes of an image shown at (width, height) ``seen``, in pixels of its own ``size``."""
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.float64)
    corners = np.rint(corners * np.tile(np.divide(size, seen), 2))
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).astype(np.uint16)
