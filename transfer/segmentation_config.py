"""The settings of a segmentation task: image sets, model, sizes, schedule, test rules. Light: imports no torch."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from ground.config import Strict, not_identity
from ground.networks import BackboneName
from transfer.config import Fraction, Norm, TaskConfig

SetName = Annotated[str, Field(pattern=r"^(VOC2007|VOC2012|cityscapes|ade20k)/[A-Za-z0-9_]+$")]
Stages = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
"""One number for each of the backbone's four stages."""
Scale = tuple[PositiveInt, PositiveInt]
"""Pixels that the longer and the shorter side must not exceed; an image is scaled until it meets one of them."""
Classes = Literal[19, 21, 150]


class SegmentationSets(Strict):
    """Image sets, all of one data set, each with a label map an image.

    ``VOC2012/train`` is ``VOC2012/ImageSets/Segmentation/train.txt``; sets with ``aug`` in their name read their label
    maps from ``SegmentationClassAug``, where SBD's are put. ``cityscapes/train`` and ``ade20k/training`` are all images
    of that folder.
    """

    train: Annotated[tuple[SetName, ...], Field(min_length=1)]
    """Trained on as one set, one after the other."""
    test: SetName

    @model_validator(mode="after")
    def _of_one_data_set(self) -> Self:
        if len({name.split("/")[0].rstrip("0123456789") for name in (*self.train, self.test)}) > 1:
            raise ValueError("sets of different data sets cannot be mixed: their classes differ")
        return self


class Head(Strict):
    """A fully convolutional head: 3x3 convolutions with norm and ReLU, dropout, a 1x1 convolution to the classes."""

    convs: PositiveInt
    channels: PositiveInt
    dilation: PositiveInt
    concat_input: bool
    """One more convolution over the last one's output and the head's input together."""
    dropout: Fraction
    """Share of whole channels left out in training."""


class AuxiliaryHead(Head):
    """A second head on stage 3, of use in training alone."""

    weight: PositiveFloat
    """Of its loss beside the first head's."""


class FullyConvolutional(Strict):
    """A dilated ResNet with a fully convolutional head on stage 4 (FCN)."""

    kind: Literal["fcn"]
    backbone: BackboneName
    strides: Stages
    """Of the first block of each stage; pre-training has 1, 2, 2, 2."""
    dilations: Stages
    """Of the 3x3 convolutions of each stage; blocks of two 3x3 convolutions dilate their first one."""
    contract_dilation: bool
    """The first block of a stage has half of its dilation."""
    norm: Norm
    """Of backbone and heads; all are trained."""
    align_corners: bool
    """Of every resizing of features and logits."""
    head: Head
    auxiliary: AuxiliaryHead | None


class SegmentationInput(Strict):
    """What happens to an image and its label map before training."""

    scale: Scale
    """Multiplied by a number drawn from ``ratio`` for every image and epoch."""
    ratio: tuple[PositiveFloat, PositiveFloat]
    crop: PositiveInt
    """Side of the square cut at random; what is smaller is padded, the image with 0 after normalisation."""
    most_of_one_class: Fraction
    """A crop with more than this share of one class is drawn again, up to ten times; 1 draws once."""
    flip: Fraction
    photometric: bool
    """mmsegmentation's random brightness, contrast, saturation and hue."""


class StepDecay(Strict):
    """The rate is multiplied by ``gamma`` at each of the iterations ``steps``."""

    kind: Literal["steps"]
    steps: tuple[PositiveInt, ...]
    gamma: PositiveFloat


class PolyDecay(Strict):
    """The rate falls from ``base_lr`` to ``least`` as (1 - iteration / iterations) to the ``power``."""

    kind: Literal["poly"]
    power: PositiveFloat
    least: NonNegativeFloat


class SegmentationSchedule(Strict):
    """SGD without warm-up, one weight decay for all; the last iteration is what is evaluated."""

    iterations: PositiveInt
    batch: PositiveInt
    """Images of one optimiser step, over all devices."""
    base_lr: PositiveFloat
    decay: Annotated[StepDecay | PolyDecay, Field(discriminator="kind")]
    momentum: Fraction
    weight_decay: NonNegativeFloat
    void_in_mean: bool
    """The loss is divided by all pixels, those labelled void and the padding included, not by the labelled ones."""

    @model_validator(mode="after")
    def _steps_in_order(self) -> Self:
        steps = self.decay.steps if isinstance(self.decay, StepDecay) else ()
        if any(left >= right for left, right in pairwise((*steps, self.iterations))):
            raise ValueError(f"decay.steps {list(steps)} must rise to below iterations = {self.iterations}: set both")
        return self


class Window(Strict):
    """A square that slides over a test image; logits are averaged where squares overlap."""

    size: PositiveInt
    stride: PositiveInt

    @model_validator(mode="after")
    def _no_gap(self) -> Self:
        if self.stride > self.size:
            raise ValueError(f"stride {self.stride} leaves pixels out between squares of {self.size}")
        return self


class SegmentationTest(Strict):
    """One scale, no flip; logits are resized to the image's own size before classes are read off."""

    scale: Scale
    window: Window | None
    """None predicts whole images at once."""


class SegmentationTask(TaskConfig):
    """Semantic segmentation, measured by the mean intersection over union of the classes."""

    kind: Literal["segmentation"]
    metrics: Annotated[tuple[Literal["mIoU"], ...], Field(json_schema_extra={"identity": False})]
    sets: SegmentationSets
    model: FullyConvolutional
    input: SegmentationInput
    schedule: SegmentationSchedule
    test: SegmentationTest
    tool: Literal["auto", "mmsegmentation"] = not_identity("auto")

    @property
    def layout(self) -> str:
        """``cityscapes``, ``voc_maps`` or ``ade20k``."""
        data_set = self.sets.test.split("/")[0]
        return "voc_maps" if data_set.startswith("VOC") else data_set

    @property
    def batch(self) -> int:
        """Images of one optimiser step, over all processes."""
        return self.schedule.batch

    @property
    def norm(self) -> Norm:
        """The batch norms that the protocol asks for."""
        return self.model.norm

    @property
    def classes(self) -> Classes:
        """Of the data set; PASCAL VOC's background is one."""
        return _CLASSES[self.layout]

    @property
    def tools(self) -> tuple[str, ...]:
        """One."""
        return ("mmsegmentation",)


_CLASSES: dict[str, Classes] = {"cityscapes": 19, "voc_maps": 21, "ade20k": 150}
