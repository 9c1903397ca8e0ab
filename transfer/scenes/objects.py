"""The outlines and surfaces of objects, as arrays over a pixel window.

Coordinates (u, v) are the object's own: centre 0, radius 1, turned and stretched with it. Colour tells nothing about
the class: every object draws its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]


def _disc(u: Array, v: Array) -> Array:
    away: Array = np.sqrt(u * u + v * v) - np.float32(0.9)
    return away


def _bar(u: Array, v: Array, half_u: float, half_v: float, rounding: float) -> Array:
    """Signed distance to a rounded rectangle (Quilez, "2D distance functions", sdRoundedBox)."""
    across, along = np.abs(u) - np.float32(half_u - rounding), np.abs(v) - np.float32(half_v - rounding)
    outside = np.sqrt(np.maximum(across, 0) ** 2 + np.maximum(along, 0) ** 2)
    away: Array = outside + np.minimum(np.maximum(across, along), 0) - np.float32(rounding)
    return away


def _box(u: Array, v: Array) -> Array:
    return _bar(u, v, 0.8, 0.8, 0.1)


def _triangle(u: Array, v: Array) -> Array:
    """Signed distance (inside; a bound outside) to an equilateral triangle: the largest of three half planes."""
    slope = np.float32(np.sqrt(3) / 2) * np.abs(u) + np.float32(0.5) * v
    away: Array = np.maximum(slope, -v) - np.float32(0.55)
    return away


def _star(u: Array, v: Array) -> Array:
    """Signed distance to the nearest of the ten edges of a five-pointed star, by folding the angle to one edge."""
    sector = np.float32(2 * np.pi / 5)
    angle = np.abs((np.arctan2(v, u) + sector * 10) % sector - sector / 2)
    radius = np.sqrt(u * u + v * v)
    notch = 0.5 * np.exp(1j * np.pi / 5)
    edge = notch - 1.12
    normal = np.array([edge.imag, -edge.real]) / abs(edge)
    folded = np.float32(np.pi / 5) - angle
    x, y = radius * np.cos(folded), radius * np.sin(folded)
    away: Array = ((x - 1.12) * normal[0] + y * normal[1]).astype(np.float32)
    return away


def _cross(u: Array, v: Array) -> Array:
    return np.minimum(_bar(u, v, 1.0, 0.36, 0.04), _bar(u, v, 0.36, 1.0, 0.04))


OUTLINES: dict[str, Callable[[Array, Array], Array]] = {
    "disc": _disc,
    "box": _box,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
}
"""Shape → signed distance to its outline in units of the radius, negative inside."""
REACH = 1.2
"""No outline goes farther from the centre, in units of the radius."""


def _soft_step(wave: Array, sharpness: float) -> Array:
    weight: Array = np.clip(np.float32(0.5) + np.float32(sharpness) * wave, 0, 1)
    return weight


def smooth_noise(rng: np.random.Generator, height: int, width: int, cell: float, stretch: float = 1.0) -> Array:
    """Noise in about [-1, 1] of shape (height, width) whose grains are ``cell`` pixels high, × ``stretch`` wide."""
    rows, columns = max(2, round(height / cell) + 1), max(2, round(width / (cell * stretch)) + 1)
    grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))


def surface(
    texture: str, rng: np.random.Generator, window: tuple[Array, Array], distance: Array, radius: float
) -> Array:
    """Mixing weight in [0, 1] of an object's second colour over a window, shape as ``distance``.

    Args:
        texture: one of ``classes.TEXTURES``.
        rng: draws the texture's phase, angle and period.
        window: pixel offsets (dx, dy) from the object's centre.
        distance: signed distance to the outline, pixels.
        radius: the object's radius, pixels; periods grow with it, from 4 pixels on.
    """
    dx, dy = window
    angle, phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi), rng.uniform(0.34, 0.46) * radius
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    if texture == "stripes":
        return _soft_step(np.sin(along * np.float32(2 * np.pi / max(period, 4.0)) + np.float32(phase)), 1.2)
    if texture == "checks":
        rate = np.float32(np.pi / max(0.9 * period, 3.5))
        return _soft_step(np.sin(along * rate + np.float32(phase)) * np.sin(across * rate), 2.5)
    if texture == "blobs":
        return _soft_step(smooth_noise(rng, distance.shape[0], distance.shape[1], max(0.8 * period, 3.5)), 1.6)
    rim = _soft_step(distance + np.float32(max(0.16 * radius, 2.0)), 1.0)
    body: Array = np.clip(np.float32(0.15 / radius) * along + np.float32(0.15), 0, 0.3)
    return np.maximum(rim, body)


def two_colours(rng: np.random.Generator) -> tuple[Array, Array]:
    """Two RGB colours of any hue whose luminances differ by 0.4 or more."""
    dark = rng.uniform(0.05, 0.5)
    bright = rng.uniform(dark + 0.4, 0.95)
    pair = [colour(rng, dark), colour(rng, bright)]
    first = int(rng.integers(2))
    return pair[first], pair[1 - first]


def colour(rng: np.random.Generator, luminance: float) -> Array:
    """An RGB colour of any hue near a luminance in [0, 1]."""
    rgb = rng.uniform(0, 1, 3)
    return np.clip(rgb - rgb @ (0.299, 0.587, 0.114) + luminance, 0, 1).astype(np.float32)
