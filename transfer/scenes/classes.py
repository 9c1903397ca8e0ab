"""The twenty object classes (shape × texture), the kinds of background, and what each layout calls them."""

from __future__ import annotations

from typing import NamedTuple

SHAPES = ("disc", "box", "triangle", "star", "cross")
TEXTURES = ("stripes", "checks", "blobs", "rim")


class ObjectClass(NamedTuple):
    """One object class by its names in the real data sets.

    ``ade20k`` is 0 (other) and ``cityscapes`` None where the data set has no such class.
    """

    name: str
    """PASCAL VOC's, in VOC's order; the class's number there is its index here + 1."""
    coco: int
    cityscapes: int | None
    """``id`` in labelIds. VOC lacks most of the nineteen: horse stands in for rider, boat for truck, chair for pole,
    bottle for traffic light, tvmonitor for traffic sign, sofa for wall and diningtable for fence."""
    ade20k: int


CLASSES = (
    ObjectClass("aeroplane", 5, None, 91),
    ObjectClass("bicycle", 2, 33, 128),
    ObjectClass("bird", 16, None, 127),
    ObjectClass("boat", 9, 27, 77),
    ObjectClass("bottle", 44, 19, 99),
    ObjectClass("bus", 6, 28, 81),
    ObjectClass("car", 3, 26, 21),
    ObjectClass("cat", 17, None, 127),
    ObjectClass("chair", 62, 17, 20),
    ObjectClass("cow", 21, None, 127),
    ObjectClass("diningtable", 67, 13, 16),
    ObjectClass("dog", 18, None, 127),
    ObjectClass("horse", 19, 25, 127),
    ObjectClass("motorbike", 4, 32, 117),
    ObjectClass("person", 1, 24, 13),
    ObjectClass("pottedplant", 64, None, 18),
    ObjectClass("sheep", 20, None, 127),
    ObjectClass("sofa", 63, 12, 24),
    ObjectClass("train", 7, 31, 0),
    ObjectClass("tvmonitor", 72, 20, 90),
)


def shape_and_texture(label: int) -> tuple[str, str]:
    """Shape and texture of the class with index ``label``: neither alone tells the class."""
    return SHAPES[label // len(TEXTURES)], TEXTURES[label % len(TEXTURES)]


class Stuff(NamedTuple):
    """One kind of background; ``cityscapes`` is None where no Cityscapes picture shows it."""

    name: str
    cityscapes: int | None
    ade20k: int
    colour: tuple[float, float, float]
    """Typical RGB in [0, 1]; a picture's palette moves it far."""


STUFF = (
    Stuff("sky", 23, 3, (0.60, 0.75, 0.92)),
    Stuff("building", 11, 2, (0.58, 0.50, 0.45)),
    Stuff("vegetation", 21, 5, (0.26, 0.42, 0.20)),
    Stuff("terrain", 22, 10, (0.50, 0.62, 0.30)),
    Stuff("road", 7, 7, (0.40, 0.40, 0.43)),
    Stuff("sidewalk", 8, 12, (0.66, 0.62, 0.60)),
    Stuff("mountain", None, 17, (0.45, 0.42, 0.48)),
    Stuff("sea", None, 27, (0.20, 0.42, 0.58)),
    Stuff("sand", None, 47, (0.82, 0.72, 0.50)),
    Stuff("wall", None, 1, (0.78, 0.72, 0.62)),
    Stuff("floor", None, 4, (0.55, 0.38, 0.25)),
    Stuff("curtain", None, 19, (0.60, 0.30, 0.32)),
)
STUFF_INDEX = {stuff.name: index for index, stuff in enumerate(STUFF)}

CONTEXTS = 12
"""Contexts of a scene: each has a family of backgrounds and five classes that tend to occur together."""


def context_classes(context: int) -> tuple[int, ...]:
    """The five classes at home in ``context``; every class is at home in three of the twelve contexts."""
    multiplier, group = (3, 7, 9)[context // 4], context % 4
    return tuple((multiplier * index) % len(CLASSES) for index in range(5 * group, 5 * group + 5))
