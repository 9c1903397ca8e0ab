"""What a recipe may say about its views. The defaults are PixCon's released configuration."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from ground.config import Contradiction, Strict, later
from pretrain.inputs import BoxFilter

PROPOSALS = "proposals"
"""Role of the input that says where the regions of ``InstanceViews`` are."""
OBJECTS = "objects"
"""Role of the input that says where the patches of ``ObjectPairViews`` are."""

Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Side = Annotated[int, Field(ge=32)]
"""Pixels; a backbone has one cell for 32 of them."""


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    low, high = pair
    if low > high:
        raise Contradiction("must be (low, high)", f"Write [{high:g}, {low:g}].")
    return pair


Range = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_ordered)]
"""(low, high), drawn between."""


class Jitter(Strict):
    """Colour jitter. ``bylike`` is torchvision's (random order, multiplicative), ``official`` is what the
    released PixCon code runs (fixed order, additive saturation; methods.md 1.2)."""

    kind: Literal["bylike", "official"] = "bylike"
    probability: Probability = 0.8
    brightness: NonNegativeFloat = 0.4
    contrast: NonNegativeFloat = 0.4
    saturation: NonNegativeFloat = 0.2
    hue: float = Field(0.1, ge=0, le=0.5)
    """In turns of the circle of colours: half a turn either way is all of it."""


class Photometric(Strict):
    """Colour and blur of one view, applied in this order: jitter, grey, blur, solarise."""

    jitter: Jitter = Jitter()
    gray: Probability = 0.2
    blur: Probability
    blur_kernel: PositiveInt = 23
    blur_sigma: Range = (0.1, 2.0)
    solarize: Probability

    @model_validator(mode="after")
    def _odd_kernel(self) -> Self:
        if self.blur_kernel % 2 == 0:
            raise ValueError("blur_kernel must be odd")
        return self


class Spanning(Strict):
    """A third view (number 2): the smallest rectangle that covers both crops, shown as it is (Odin)."""

    kind: Literal["spanning"]
    size: Side = 448

    @property
    def sizes(self) -> list[int]:
        """Side of each view it adds, in pixels."""
        return [self.size]


class ObjectPairViews(Strict):
    """Patches of objects (ORL). Views 2 and 3: a region of the image and the same one moved; views 4 and 5: a region
    and one of a similar image that looks like it. Odd views have the second crop's colours, even ones the first's."""

    kind: Literal["object_pairs"]
    size: Side = 96
    area: Range = (0.5, 2.0)
    """Of the moved region, over the region's."""
    aspect: Range = (0.5, 2.0)
    """Of the moved region, width over height, log-uniform."""
    shift: float = Field(0.5, ge=0)
    """Of its centre, at most, over the region's sides."""
    min_iou: Probability = 0.5
    """The moved region overlaps the region by more than this."""
    tries: PositiveInt = 200

    @property
    def sizes(self) -> list[int]:
        """Side of each view it adds, in pixels."""
        return [self.size] * 4


class InstanceViews(Strict):
    """Views 2, 3, …: regions that both crops show, with the first crop's colours (UniVIP)."""

    kind: Literal["instances"]
    count: PositiveInt = 4
    size: Side = 96
    boxes: BoxFilter = BoxFilter(min_side=64)
    """Which regions count, and what random ones are like."""
    tries: PositiveInt = 20
    """Draws of both crops, until they share ``count`` regions."""
    box_tries: PositiveInt = 100
    """Draws of each random region that makes up the number."""

    @property
    def sizes(self) -> list[int]:
        """Side of each view it adds, in pixels."""
        return [self.size] * self.count


Extra = Annotated[Spanning | ObjectPairViews | InstanceViews, Field(discriminator="kind")]


class Views(Strict):
    """Two crops of one image and what happens to each, and views beside them."""

    size: Side = 224
    scale: Annotated[tuple[Share, Share], AfterValidator(_ordered)] = (0.08, 1.0)
    ratio: Range = (3 / 4, 4 / 3)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    resampler: Literal["pillow", "torch"] = later("pillow", now="torch")
    """Whose arithmetic resizes the crops: torch's takes a sixth of the time of Pillow's, the released loader's, and
    is one grey level off here and there (bicubic: two)."""
    shorten: Side | None = later(None)
    """Images with a longer shorter side are shrunk to it before anything else, in pixels; what is cached is small."""
    min_overlap: Probability = 0.01
    """Share of crop 2's area that must lie in crop 1; 0 leaves the crops independent."""
    fallback: Literal["central", "unconditioned"] = "central"
    """After ten rejected second crops: both views central (PixCon), or crop 2 as it comes (SlotCon)."""
    flip: Probability = 0.5
    first: Photometric
    second: Photometric
    extra: Extra | None = later(None)

    @model_validator(mode="after")
    def _regions_of_whole_images(self) -> Self:
        if self.shorten is not None and isinstance(self.extra, ObjectPairViews | InstanceViews):
            problem = f"`shorten` {self.shorten} would move the regions that `extra` ({self.extra.kind}) cuts"
            raise Contradiction(problem, "Set `shorten` to null.")
        return self
