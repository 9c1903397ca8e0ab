"""The settings of a downstream task: data sets, model, schedule, sizes, test rules. Light: imports no torch."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from ground.config import Strict, not_identity
from ground.networks import BackboneName

SetName = Annotated[str, Field(pattern=r"^VOC(2007|2012)/[A-Za-z0-9_]+$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Triple = tuple[float, float, float]


class DataSets(Strict):
    """Image lists as ``VOC2007/trainval``: the folder, then ``ImageSets/Main/<list>.txt`` in it."""

    train: Annotated[tuple[SetName, ...], Field(min_length=1)]
    test: SetName


class Proposals(Strict):
    """The region proposal network. Thresholds, 256 samples an image and half of them positive are detectron2's."""

    anchor_sizes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Square roots of the anchors' areas, in pixels of the network's input."""
    anchor_ratios: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    """Height / width."""
    pre_nms_train: PositiveInt
    post_nms_train: PositiveInt
    pre_nms_test: PositiveInt
    post_nms_test: PositiveInt


class RegionDetector(Strict):
    """Faster R-CNN "C4": stages 1-3 of the backbone make the map, stage 4 is the head of every region."""

    backbone: BackboneName
    extra_norm: bool
    """One more batch norm after stage 4 (MoCo), trained from scratch like the rest of the head."""
    proposals: Proposals
    pool_size: PositiveInt
    """Side of the grid RoIAlign cuts from the stride-16 map."""
    rois_per_image: PositiveInt
    """Regions sampled per image in training, at most a quarter of them positive."""


class InputSizes(Strict):
    """Resizing of the shorter side, in pixels; the longer side never exceeds ``max``."""

    train_short: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """One is drawn per image and epoch."""
    train_max: PositiveInt
    test_short: PositiveInt
    test_max: PositiveInt


class Schedule(Strict):
    """SGD with linear warm-up and step decay; the last iteration is what is evaluated."""

    iterations: PositiveInt
    batch: PositiveInt
    """Images of one optimiser step, over all devices."""
    base_lr: PositiveFloat
    steps: tuple[PositiveInt, ...]
    """Iterations at which the rate is multiplied by ``gamma``."""
    gamma: PositiveFloat
    warmup_iterations: NonNegativeInt
    warmup_factor: Fraction
    momentum: Fraction
    weight_decay: NonNegativeFloat
    weight_decay_norm: NonNegativeFloat
    """Weight decay of batch-norm weights and biases."""
    precise_bn_iterations: NonNegativeInt
    """Training batches over which batch-norm statistics are taken anew after the last step; 0 leaves them."""

    @model_validator(mode="after")
    def _steps_in_order(self) -> Self:
        ends = (*self.steps, self.iterations)
        if any(left >= right for left, right in pairwise(ends)):
            raise ValueError(f"steps {list(self.steps)} must rise and stay below iterations = {self.iterations}")
        return self


class DetectionRules(Strict):
    """Which boxes count as detections."""

    score_threshold: Fraction
    nms_threshold: Fraction
    detections_per_image: PositiveInt


class TaskConfig(Strict):
    """One downstream task, resolved: everything a fine-tuning run does but its seed and its weights."""

    name: str
    version: PositiveInt
    """Raised when a fix changes results."""
    runs: Annotated[int, Field(ge=1, json_schema_extra={"identity": False})]
    """Repeats the protocol asks for."""
    metrics: Annotated[tuple[Literal["AP", "AP50", "AP75"], ...], Field(json_schema_extra={"identity": False})]
    sets: DataSets
    model: RegionDetector
    input: InputSizes
    schedule: Schedule
    test: DetectionRules
    pixel_mean: Triple
    """RGB, 0-255."""
    pixel_std: Triple
    precision: Literal["fp32", "bf16"]
    """Of training's forward pass; weights, losses and testing stay fp32."""
    channels_last: bool
    threads: PositiveInt
    """Of CPU arithmetic: their number changes the last bits, so it is part of the identity."""
    tool: Literal["auto", "torchvision", "detectron2"] = not_identity("auto")
    """Which library trains. The one chosen (`transfer.tool.choose`) is part of a job's key, not this wish."""
    device: Literal["auto", "cpu", "cuda"] = not_identity("auto")
    workers: NonNegativeInt = not_identity(0)
    """Processes that read images; 0 reads in the training process."""
    checkpoint_every: PositiveInt = not_identity(1000)
    """Iterations between checkpoints."""
