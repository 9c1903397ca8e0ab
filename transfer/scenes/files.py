"""Pictures and label maps on disk: each file is whole or absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ground.files import atomic_path, write_text

Tick = Callable[[], None]
"""Called by a writer after each picture."""


def save_jpeg(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write an RGB picture (H, W, 3) at quality 95."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="JPEG", quality=95)


def save_png(path: Path, array: NDArray[Any], palette: bytes | None = None) -> None:
    """Write a map (H, W) of uint8 or uint16, with a palette of 256 RGB triples if given, or a picture (H, W, 3)."""
    image = Image.fromarray(array)
    if palette is not None:
        image.putpalette(palette)
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG", compress_level=4)


def save_json(path: Path, value: Any) -> None:
    """Write JSON in one line, as the official annotation files are."""
    write_text(path, json.dumps(value, separators=(",", ":")))
