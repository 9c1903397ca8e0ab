"""What a set of generated scenes is a function of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ground.config import Strict

MIN_DIAMETER = 12
"""Smallest object, in pixels: below it four periods of a texture cannot be told apart."""

Count = Annotated[int, Field(ge=0, le=300_000)]


class Coco(Strict):
    """Pictures of each COCO split."""

    train2017: Count = 600
    val2017: Count = 60
    unlabeled2017: Count = 100


class Voc2007(Strict):
    """Pictures of each VOC 2007 split; the even ones of trainval are ``train``, the odd ones ``val``."""

    trainval: Count = 100
    test: Count = 80


class Voc2012(Strict):
    """Pictures of each VOC 2012 split; ``aug`` are the additional ones of the augmented list."""

    train: Count = 50
    val: Count = 30
    aug: Count = 50


class Cityscapes(Strict):
    """Pictures of each Cityscapes split."""

    train: Count = 40
    val: Count = 20


class Ade20k(Strict):
    """Pictures of each ADE20k split."""

    training: Count = 40
    validation: Count = 20


class SceneSpec(Strict):
    """Everything that decides the files of a generated set.

    A picture depends on ``version``, ``seed``, the four ranges, its split and its index, never on a count:
    a larger set begins with the smaller one.
    """

    version: Literal[1] = 1
    """Of the drawing: raised whenever any pixel or label of any picture changes."""
    seed: int = Field(0, ge=0)
    shorter: tuple[int, int] = (112, 144)
    """Shorter side of a picture, pixels; Cityscapes pictures are all (longest, 2 × longest)."""
    aspect: tuple[float, float] = (1.0, 1.4)
    """Longer side over shorter side."""
    objects: tuple[int, int] = (2, 7)
    """Objects tried per picture; fewer where one would hide another."""
    scale: tuple[float, float] = (0.15, 0.55)
    """Diameter of an object over the shorter side of its picture, log-uniform."""
    coco: Coco = Coco()
    voc2007: Voc2007 = Voc2007()
    voc2012: Voc2012 = Voc2012()
    cityscapes: Cityscapes = Cityscapes()
    ade20k: Ade20k = Ade20k()

    @model_validator(mode="after")
    def _ranges(self) -> SceneSpec:
        limits = {"shorter": (32, 4096), "aspect": (1.0, 3.0), "objects": (1, 50), "scale": (0.02, 1.0)}
        for name, (least, most) in limits.items():
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise ValueError(f"`{name}` must be [low, high] with {least} <= low <= high <= {most}")
        if self.scale[0] * self.shorter[0] < MIN_DIAMETER:
            raise ValueError(f"smallest object is under {MIN_DIAMETER} pixels: raise `scale` or `shorter`")
        return self


def splits(spec: SceneSpec) -> dict[str, int]:
    """Split name (``layout/split``) → number of pictures, in writing order."""
    return {
        f"{layout}/{split}": count
        for layout in ("coco", "voc2007", "voc2012", "cityscapes", "ade20k")
        for split, count in getattr(spec, layout).model_dump().items()
    }
