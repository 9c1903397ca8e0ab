"""Where things are in a scene: the geometry that every label is made from. No colour is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ground.seeding import generator
from transfer.scenes.backgrounds import stuff_map
from transfer.scenes.classes import CLASSES, CONTEXTS, context_classes, shape_and_texture
from transfer.scenes.objects import OUTLINES, REACH, Array
from transfer.scenes.spec import SceneSpec

LEAST_VISIBLE = 0.3
"""Share of an object that must stay visible in the picture; an object that would hide more is moved or left out."""
LEAST_PIXELS = 20
HOME = 0.75
"""Probability that an object is of one of its context's classes."""
TRIES = 12


@dataclass(frozen=True)
class Thing:
    """One object: class index, centre and radius in pixels, stretch along its first axis, turn in radians.

    ``area`` is that of the whole outline in pixels, as if nothing hid it and the picture went on.
    """

    label: int
    x: float
    y: float
    radius: float
    stretch: float
    angle: float
    area: int = 0


@dataclass(frozen=True)
class Layout:
    """The geometry of one scene, back to front.

    ``instances`` (H, W) uint8 holds k + 1 where ``things[k]`` is visible and 0 elsewhere; ``stuff`` (H, W) uint8
    holds the background's index in ``classes.STUFF``, under the things too.
    """

    context: int
    things: tuple[Thing, ...]
    instances: NDArray[np.uint8]
    stuff: NDArray[np.uint8]

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Visible pixels (H, W) of ``things[index]``."""
        mask: NDArray[np.bool_] = self.instances == index + 1
        return mask

    def semantic(self, stuff: Sequence[int], objects: Sequence[int]) -> NDArray[np.uint8]:
        """Class of every pixel (H, W): ``objects[label]`` on things, ``stuff[kind]`` on the background."""
        of_thing = np.array([0, *(objects[thing.label] for thing in self.things)], np.uint8)
        return np.where(self.instances > 0, of_thing[self.instances], np.array(stuff, np.uint8)[self.stuff])

    def visible(self, index: int) -> float:
        """Share of the thing's outline that is visible, in [0, 1]."""
        return float(np.count_nonzero(self.mask(index))) / self.things[index].area


def distance(thing: Thing, left: int, top: int, right: int, bottom: int) -> tuple[Array, tuple[Array, Array]]:
    """Signed distance in pixels to a thing's outline over a window, and the offsets (dx, dy) from its centre."""
    dx: Array = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - thing.x)
    dy: Array = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - thing.y)
    cos, sin = np.float32(np.cos(thing.angle)), np.float32(np.sin(thing.angle))
    wide, high = thing.radius * thing.stretch, thing.radius / thing.stretch
    u: Array = np.divide(dx * cos + dy * sin, np.float32(wide))
    v: Array = np.divide(dy * cos - dx * sin, np.float32(high))
    local = OUTLINES[shape_and_texture(thing.label)[0]](u, v)
    return local * np.float32(min(wide, high)), (dx, dy)


def window(thing: Thing) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (exclusive) of pixels a thing can touch; may go beyond the picture."""
    reach = thing.radius * max(thing.stretch, 1 / thing.stretch) * REACH + 1
    return (
        int(np.floor(thing.x - reach)),
        int(np.floor(thing.y - reach)),
        int(np.ceil(thing.x + reach)),
        int(np.ceil(thing.y + reach)),
    )


def layout(spec: SceneSpec, split: str, index: int) -> Layout:
    """The geometry of picture ``index`` of ``split`` (``layout/split``), alone."""
    rng = generator("scene", spec.version, spec.seed, "layout", split, index)
    street = split.startswith("cityscapes/")
    height, width = _size(spec, rng, street)
    context = int(rng.integers(CONTEXTS))
    stuff = stuff_map(0 if street else context % 4, rng, height, width)
    known = [label for label, names in enumerate(CLASSES) if not street or names.cityscapes is not None]
    home = [label for label in context_classes(context) if label in known] or known
    instances = np.zeros((height, width), np.uint8)
    things: list[Thing] = []
    for _ in range(int(rng.integers(spec.objects[0], spec.objects[1] + 1))):
        choice = home if rng.random() < HOME else known
        label = choice[int(rng.integers(len(choice)))]
        diameter = float(np.exp(rng.uniform(*np.log(spec.scale)))) * min(height, width)
        thing = Thing(label, 0, 0, diameter / 2, float(np.exp(rng.uniform(-0.15, 0.15))), rng.uniform(0, 2 * np.pi))
        for _ in range(TRIES):
            placed = _place(_aim(thing, things, rng, height, width), things, instances)
            if placed is not None:
                instances = placed[1]
                things.append(placed[0])
                break
    return Layout(context, tuple(things), instances, stuff)


def _size(spec: SceneSpec, rng: np.random.Generator, street: bool) -> tuple[int, int]:
    if street:
        return spec.shorter[1], 2 * spec.shorter[1]
    shorter = int(rng.integers(spec.shorter[0], spec.shorter[1] + 1))
    longer = round(shorter * rng.uniform(*spec.aspect))
    return (shorter, longer) if rng.random() < 0.7 else (longer, shorter)


def _aim(thing: Thing, things: list[Thing], rng: np.random.Generator, height: int, width: int) -> Thing:
    """The thing at a new place: beside an earlier thing half of the time, so that things overlap."""
    margin = min(0.5 * thing.radius, 0.25 * min(height, width))
    if things and rng.random() < 0.5:
        other = things[int(rng.integers(len(things)))]
        turn, apart = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.1) * (thing.radius + other.radius)
        x, y = other.x + apart * np.cos(turn), other.y + apart * np.sin(turn)
        if margin <= x <= width - margin and margin <= y <= height - margin:
            return replace(thing, x=float(x), y=float(y))
    return replace(thing, x=rng.uniform(margin, width - margin), y=rng.uniform(margin, height - margin))


def _place(thing: Thing, things: list[Thing], instances: NDArray[np.uint8]) -> tuple[Thing, NDArray[np.uint8]] | None:
    """The thing with its area and the instance map with it in front, or None if too little of anything would show."""
    height, width = instances.shape
    left, top, right, bottom = window(thing)
    inside = distance(thing, left, top, right, bottom)[0] <= 0
    thing = replace(thing, area=int(np.count_nonzero(inside)))
    seen = inside[max(-top, 0) : height - top, max(-left, 0) : width - left]
    candidate = instances.copy()
    candidate[max(top, 0) : bottom, max(left, 0) : right][seen] = len(things) + 1
    shown = np.bincount(candidate.ravel(), minlength=len(things) + 2)[1:]
    needed = [max(LEAST_PIXELS, LEAST_VISIBLE * each.area) for each in [*things, thing]]
    return (thing, candidate) if all(shown >= needed) else None
