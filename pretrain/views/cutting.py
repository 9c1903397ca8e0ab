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
    """A crop's pixels resized to a square of ``size`` pixels: (size, size, 3), not yet mirrored; see ``cut_into``."""
    out = np.empty((size, size, 3), np.uint8)
    cut_into(out, image, crop, interpolation, resampler)
    return out


def cut_into(out: Pixels, image: Pixels, crop: Crop, interpolation: str, resampler: Resampler) -> None:
    """Write a crop, resized to a square, not yet mirrored.

    Args:
        out: where to, (S, S, 3), contiguous.
        image: (H, W, 3).
        crop: what is shown of it.
        interpolation: ``bilinear`` or ``bicubic``, antialiased.
        resampler: whose arithmetic. ``torch`` takes a sixth of the time of ``pillow``, whose weights are of 22 bits
            instead of 15: one value in thirty is off by one grey level, with ``bicubic`` up to two.
    """
    # Cut first: a resampler that sees the whole image would let pixels outside the crop into its borders.
    _RESAMPLERS[resampler](out, image[crop.y : crop.y + crop.h, crop.x : crop.x + crop.w], interpolation)


def _pillow(out: Pixels, cut: Pixels, interpolation: str) -> None:
    out[:] = np.asarray(Image.fromarray(cut).resize((len(out), len(out)), _FILTERS[interpolation]))


def _torch(out: Pixels, cut: Pixels, interpolation: str) -> None:
    # As torch.nn.functional.interpolate does it, which would return planes: putting them together again takes as long.
    planes, resized = (torch.from_numpy(pixels).permute(2, 0, 1)[None] for pixels in (cut, out))
    _ANTIALIASED[interpolation].out(planes, resized.shape[2:], False, None, None, out=resized)


_ANTIALIASED = {
    "bilinear": torch.ops.aten._upsample_bilinear2d_aa,
    "bicubic": torch.ops.aten._upsample_bicubic2d_aa,
}
_RESAMPLERS: dict[Resampler, Callable[[Pixels, Pixels, str], None]] = {"pillow": _pillow, "torch": _torch}
