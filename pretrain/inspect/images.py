"""Images as a backbone is shown them: one whole, or the two crops of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ground.seeding import generator
from pretrain.config import PretrainConfig
from pretrain.view_config import Photometric
from pretrain.views import photometric
from pretrain.views.cutting import cut_out
from pretrain.views.decoding import Pixels, decode, read
from pretrain.views.draw import draw_photometric
from pretrain.views.geometry import Crop, draw_pair, in_box_mask, intersection

STRIDE = 32
"""Pixels of a C5 cell."""
PAPER = 1024 / 224
"""The figures' side over that of the pre-training's crops, in the paper."""
TRIES = 100


def side(config: PretrainConfig) -> int:
    """Pixels of a figure's views: the paper's ratio to the crops of the pre-training, in whole cells (224 → 1024)."""
    return round(config.views.size * PAPER / STRIDE) * STRIDE


def whole(path: Path, side: int) -> tuple[Tensor, Pixels]:
    """An image, not augmented: as a network takes it (1, 3, side, side), and at its own size to be looked at.

    Raises:
        DataError: it cannot be decoded.
    """
    image = decode(path)
    resized = cut_out(image, Crop(0, 0, image.shape[1], image.shape[0]), side, "bilinear")
    return photometric.normalised(_planes(resized).float().div(255)), image


@dataclass(frozen=True)
class Views:
    """Query and key view of one image.

    ``inputs`` (2, 3, S, S), normalised; ``shown`` the same as pixels (S, S, 3); ``in_box`` bool (G, G), cells of the
    query view that the key view sees; ``draw`` which of the draws it is.
    """

    inputs: Tensor
    shown: tuple[Pixels, Pixels]
    in_box: Tensor
    crops: tuple[Crop, Crop]
    draw: int


def views(config: PretrainConfig, path: Path, *, seed: int, side: int, share: float) -> Views:
    """The two crops of an image as a recipe draws and colours them, ``side`` pixels large.

    A function of the seed, the image's name and the recipe's views alone, so the same for every epoch and for every
    recipe with such views.

    Args:
        config: the recipe.
        path: the image.
        seed: of the draws.
        side: pixels, a multiple of 32.
        share: the first draw is taken in which the key view sees that share of the query view's cells, or of 100
            draws the one that sees most.

    Raises:
        DataError: the image cannot be decoded.
    """
    image, grid = read(path, config.views.shorten), side // STRIDE
    size = image.shape[1], image.shape[0]
    best: tuple[int, tuple[Crop, Crop], NDArray[np.bool_]] | None = None
    for draw in range(TRIES):
        crops = draw_pair(generator("figure", seed, path.name, draw), *size, config.views)
        mask = in_box_mask(intersection(*crops), grid)
        if best is None or mask.sum() > best[2].sum():
            best = draw, crops, mask
        if mask.mean() >= share:
            best = draw, crops, mask
            break
    assert best is not None  # TRIES is positive
    draw, crops, mask = best
    rng = generator("figure colours", seed, path.name, draw)
    settings = (config.views.first, config.views.second)
    inputs = torch.cat(
        [
            _coloured(
                rng,
                cut_out(image, crop, side, config.views.interpolation, config.views.resampler),
                crop.flip,
                colours,
            )
            for crop, colours in zip(crops, settings, strict=True)
        ]
    )
    return Views(inputs, (pixels(inputs[0]), pixels(inputs[1])), torch.from_numpy(mask), crops, draw)


def _coloured(rng: np.random.Generator, cut: np.ndarray, flip: bool, colours: Photometric) -> Tensor:
    drawn = torch.from_numpy(draw_photometric(rng, colours))[None]
    return photometric.apply(_planes(cut), torch.tensor([flip]), drawn, colours)


def _planes(pixels: Pixels) -> Tensor:
    """(H, W, 3) → (1, 3, H, W)."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]


def pixels(view: Tensor) -> Pixels:
    """A normalised view (3, S, S) as pixels to be looked at (S, S, 3)."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (photometric.MEAN, photometric.STD))
    coloured = (view * std + mean).clamp(0, 1).mul(255).round()
    return coloured.byte().permute(1, 2, 0).numpy()
