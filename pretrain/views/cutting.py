"""A crop of an image, resized to the square that a network sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from PIL import Image

from pretrain.views.decoding import Pixels
from pretrain.views.geometry import Crop

Resampler = Literal["pillow", "torch"]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def cut_out(image: Pixels, crop: Crop, size: int, interpolation: str, resampler: Resampler = "pillow") -> Pixels:
    """A crop's pixels resized to a square: (size, size, 3), not yet mirrored.

    Args:
        image: (H, W, 3).
        crop: what is shown of it.
        size: side of the square.
        interpolation: ``bilinear`` or ``bicubic``, antialiased.
        resampler: whose arithmetic. ``torch`` takes a quarter of the time of ``pillow``, whose weights are of 22 bits
            instead of 15: one value in thirty is off by one grey level.
    """
    # Cut first: a resampler that sees the whole image would let pixels outside the crop into its borders.
    return _RESAMPLERS[resampler](image[crop.y : crop.y + crop.h, crop.x : crop.x + crop.w], size, interpolation)


def _pillow(cut: Pixels, size: int, interpolation: str) -> Pixels:
    return np.asarray(Image.fromarray(cut).resize((size, size), _FILTERS[interpolation]))


def _torch(cut: Pixels, size: int, interpolation: str) -> Pixels:
    planes = torch.from_numpy(cut).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(planes, (size, size), mode=interpolation, antialias=True)
    pixels: Pixels = resized[0].permute(1, 2, 0).numpy()
    return pixels


_RESAMPLERS: dict[Resampler, Callable[[Pixels, int, str], Pixels]] = {"pillow": _pillow, "torch": _torch}
