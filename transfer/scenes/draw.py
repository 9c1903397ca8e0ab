"""A whole scene: its picture and its labels, as a function of (spec, split, index)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ground.seeding import generator
from transfer.scenes.backgrounds import paint
from transfer.scenes.classes import shape_and_texture
from transfer.scenes.layout import Layout, Thing, distance, layout, window
from transfer.scenes.objects import Array, smooth_noise, surface, two_colours
from transfer.scenes.spec import SceneSpec


@dataclass(frozen=True)
class Scene:
    """A picture (H, W, 3) uint8 RGB and the geometry it was painted from."""

    image: NDArray[np.uint8]
    layout: Layout


def scene(spec: SceneSpec, split: str, index: int) -> Scene:
    """Picture ``index`` of ``split`` (``coco/train2017``, …: the names of ``spec.splits``), alone."""
    geometry = layout(spec, split, index)
    return Scene(picture(spec, split, index, geometry), geometry)


def picture(spec: SceneSpec, split: str, index: int, geometry: Layout) -> NDArray[np.uint8]:
    """The picture (H, W, 3) uint8 RGB of a geometry that ``layout(spec, split, index)`` gave."""
    rng = generator("scene", spec.version, spec.seed, "picture", split, index)
    canvas = paint(geometry.stuff, rng)
    canvas = _litter(canvas, rng)
    slant = rng.uniform(0, 2 * np.pi)
    for thing in geometry.things:
        draw_thing(canvas, thing, rng, slant)
    return _expose(canvas, rng, slant)


def _litter(canvas: Array, rng: np.random.Generator) -> Array:
    """Twigs and scraps that belong to the background: no object has such an outline."""
    height, width, _ = canvas.shape
    overlay = Image.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    pencil, unit = ImageDraw.Draw(overlay), min(height, width)
    for _ in range(int(rng.integers(6, 24))):
        x, y = rng.uniform(0, 1, 2) * (width, height)
        below = canvas[int(y), int(x)] * 255
        ink = tuple(int(value) for value in np.clip(below + rng.normal(0, 45, 3), 0, 255))
        if rng.random() < 0.4:
            steps = rng.normal(0, rng.uniform(0.03, 0.1) * unit, (int(rng.integers(2, 5)), 2))
            path = [tuple(point) for point in np.cumsum(np.vstack([(x, y), steps]), axis=0).tolist()]
            pencil.line(path, fill=ink, width=max(1, round(rng.uniform(0.5, 2.5) * unit / 128)))
        else:
            turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 9))))
            reach = rng.uniform(0.01, 0.06) * unit * rng.uniform(0.3, 1, len(turns))
            corners = np.stack([x + 1.6 * reach * np.cos(turns), y + reach * np.sin(turns)], axis=1)
            pencil.polygon([tuple(point) for point in corners.tolist()], fill=ink)
    return np.asarray(overlay, np.float32) / np.float32(255)


def draw_thing(canvas: Array, thing: Thing, rng: np.random.Generator, slant: float) -> None:
    """Lay a thing and its shadow over the canvas; the outline is smooth over one pixel, centred on the mask's edge."""
    height, width, _ = canvas.shape
    left, top, right, bottom = window(thing)
    left, top, right, bottom = max(left - 4, 0), max(top - 4, 0), min(right + 4, width), min(bottom + 4, height)
    area = canvas[top:bottom, left:right]
    away, offsets = distance(thing, left, top, right, bottom)
    reach = np.float32(rng.uniform(1.5, 6) * thing.radius / 18)
    area *= (1 - np.float32(rng.uniform(0.1, 0.45)) * np.clip(1 - away / reach, 0, 1))[..., None]
    first, second = two_colours(rng)
    weight = surface(shape_and_texture(thing.label)[1], rng, offsets, away, thing.radius)[..., None]
    toward = (np.float32(np.cos(slant)) * offsets[0] + np.float32(np.sin(slant)) * offsets[1]) / thing.radius
    shade = np.float32(1) + np.float32(rng.uniform(0, 0.2)) * toward
    body = (first + weight * (second - first)) * shade[..., None]
    cover = np.clip(np.float32(0.5) - away, 0, 1)[..., None]
    area += cover * (body - area)


def _expose(canvas: Array, rng: np.random.Generator, slant: float) -> NDArray[np.uint8]:
    """Light the canvas (gradient, one soft shadow, exposure, tint) and add the sensor's noise."""
    height, width, _ = canvas.shape
    x, y = np.linspace(-1, 1, width, dtype=np.float32)[None, :], np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    light = 1 + np.float32(rng.uniform(0, 0.25)) * (np.float32(np.cos(slant)) * x + np.float32(np.sin(slant)) * y)
    if rng.random() < 0.5:
        cloud = smooth_noise(rng, height, width, cell=rng.uniform(0.3, 0.8) * min(height, width))
        light = light * (1 - np.float32(rng.uniform(0.2, 0.5)) * np.clip(3 * cloud, 0, 1))
    tint = (rng.uniform(0.75, 1.15) * rng.uniform(0.9, 1.1, 3)).astype(np.float32)
    noise = rng.standard_normal(canvas.shape, dtype=np.float32) * np.float32(rng.uniform(0.005, 0.03))
    lit = canvas * (light[..., None] * tint) + noise
    rounded: NDArray[np.uint8] = (np.clip(lit, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    return rounded
