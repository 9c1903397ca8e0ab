"""What is behind the objects: regions of stuff, and their surfaces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transfer.scenes.classes import STUFF, STUFF_INDEX
from transfer.scenes.objects import Array, colour, smooth_noise

Map = NDArray[np.uint8]


def stuff_map(family: int, rng: np.random.Generator, height: int, width: int) -> Map:
    """Regions (H, W) of indices into ``STUFF`` for a family: 0 street, 1 meadow, 2 shore, 3 room."""
    regions = np.full((height, width), STUFF_INDEX["wall" if family == 3 else "sky"], np.uint8)
    rows = np.arange(height)[:, None]
    horizon = rng.uniform(0.25, 0.65) * height
    (_street, _meadow, _shore, _room)[family](regions, rng, rows, horizon)
    return regions


def _ridge(rng: np.random.Generator, width: int, swing: float, bumps: float) -> Array:
    """A wavy line (1, W) of rows around 0 with ``swing`` pixels of swing and about ``bumps`` bumps."""
    return smooth_noise(rng, 2, width, cell=width / bumps)[:1] * np.float32(swing)


def _street(regions: Map, rng: np.random.Generator, rows: NDArray[np.int64], horizon: float) -> None:
    height, width = regions.shape
    blocks = np.sort(rng.integers(0, width, 6))
    for left, right in zip(blocks[:-1:2], blocks[1::2], strict=True):
        regions[max(0, int(horizon - rng.uniform(0.15, 0.6) * height)) :, left:right] = STUFF_INDEX["building"]
    trees = horizon - rng.uniform(-0.05, 0.2) * height
    regions[rows > trees + _ridge(rng, width, 0.12 * height, 6)] = STUFF_INDEX["vegetation"]
    regions[rows > horizon + np.zeros((1, width))] = STUFF_INDEX["terrain"]
    columns, depth = np.arange(width)[None, :], (rows - horizon) / max(height - horizon, 1)
    middle, half = rng.uniform(0.25, 0.75) * width, rng.uniform(0.3, 0.6) * width
    ground = depth > 0
    regions[ground & (np.abs(columns - middle) < 0.08 * width + 1.4 * half * depth)] = STUFF_INDEX["sidewalk"]
    regions[ground & (np.abs(columns - middle) < 0.04 * width + half * depth)] = STUFF_INDEX["road"]


def _meadow(regions: Map, rng: np.random.Generator, rows: NDArray[np.int64], horizon: float) -> None:
    height, width = regions.shape
    if rng.random() < 0.5:
        peaks = horizon - 0.15 * height + _ridge(rng, width, 0.2 * height, 4)
        regions[rows > peaks] = STUFF_INDEX["mountain"]
    regions[rows > horizon - 0.05 * height + _ridge(rng, width, 0.1 * height, 7)] = STUFF_INDEX["vegetation"]
    regions[rows > horizon + _ridge(rng, width, 0.05 * height, 3)] = STUFF_INDEX["terrain"]


def _shore(regions: Map, rng: np.random.Generator, rows: NDArray[np.int64], horizon: float) -> None:
    height, width = regions.shape
    if rng.random() < 0.4:
        regions[rows > horizon - 0.1 * height + _ridge(rng, width, 0.15 * height, 3)] = STUFF_INDEX["mountain"]
    regions[rows > horizon + np.zeros((1, width))] = STUFF_INDEX["sea"]
    beach = horizon + rng.uniform(0.25, 0.8) * (height - horizon)
    regions[rows > beach + _ridge(rng, width, 0.1 * height, 3)] = STUFF_INDEX["sand"]


def _room(regions: Map, rng: np.random.Generator, rows: NDArray[np.int64], horizon: float) -> None:
    height, width = regions.shape
    for _ in range(int(rng.integers(3))):
        left, wide = int(rng.integers(width)), int(rng.uniform(0.1, 0.35) * width)
        regions[:, left : left + wide] = STUFF_INDEX["curtain"]
    tilt = rng.uniform(-0.15, 0.15) * np.linspace(-1, 1, width)[None, :]
    regions[rows > max(horizon, 0.4 * height) + tilt * height] = STUFF_INDEX["floor"]


def paint(regions: Map, rng: np.random.Generator) -> Array:
    """Colours (H, W, 3) in about [0, 1] of a stuff map: kinds have their own surfaces, pictures their own palettes."""
    height, width = regions.shape
    unit = min(height, width) / 128
    canvas = np.empty((height, width, 3), np.float32)
    coarse = smooth_noise(rng, height, width, cell=24 * unit)
    for kind in np.flatnonzero(np.bincount(regions.ravel())):
        luminance = float(np.dot(STUFF[kind].colour, (0.299, 0.587, 0.114)))
        own, strange = np.array(STUFF[kind].colour, np.float32), colour(rng, luminance + rng.uniform(-0.25, 0.25))
        mixed = own + np.float32(rng.uniform(0.2, 0.9)) * (strange - own)
        grain = _grain(STUFF[kind].name, rng, height, width, unit) + np.float32(0.12) * coarse
        where = regions == kind
        canvas[where] = mixed + grain[where][:, None]
    return canvas


def _grain(kind: str, rng: np.random.Generator, height: int, width: int, unit: float) -> Array:
    """Brightness (H, W) to add to the surface of a kind of stuff; weaker than the textures of objects."""
    x = np.arange(width, dtype=np.float32)[None, :] / np.float32(unit)
    y = np.arange(height, dtype=np.float32)[:, None] / np.float32(unit)
    grain: Array
    if kind in ("sky", "wall"):
        fall = np.float32(rng.uniform(-0.25, 0.25)) * (y / y[-1] - np.float32(0.5))
        grain = fall + np.float32(0.1) * smooth_noise(rng, height, width, 14 * unit, stretch=2.5)
    elif kind in ("building", "sidewalk"):
        step = rng.uniform(7, 12)
        panes = (x % step < 0.5 * step) & (y % (1.3 * step) < 0.6 * step)
        grain = np.float32(rng.uniform(-0.2, 0.2)) * panes
    elif kind in ("sea", "floor", "curtain"):
        lines, wobble = (x, y) if kind == "curtain" else (y, x)
        rate, bend = rng.uniform(0.5, 1.0), smooth_noise(rng, height, width, 12 * unit)
        grain = np.float32(0.1) * np.sin(np.float32(rate) * lines + np.float32(1.5) * bend + np.float32(0.02) * wobble)
    else:
        sizes = {"vegetation": (4, 0.22), "terrain": (2.5, 0.14), "mountain": (9, 0.18)}
        cell, strength = sizes.get(kind, (2, 0.07))
        grain = np.float32(strength) * smooth_noise(rng, height, width, cell * unit, stretch=rng.uniform(1, 2))
    return grain
