"""The settings of a detection task: image lists, model, sizes, schedule, test rules. Light: imports no torch."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self, TypeVar, get_args

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from ground.config import Strict, later, not_identity
from ground.networks import BackboneName
from transfer.config import Fraction, Norm, TaskConfig

SetName = Annotated[str, Field(pattern=r"^(VOC2007|VOC2012|coco)/[A-Za-z0-9_]+$")]
Metric = Literal["AP", "AP50", "AP75", "box_AP", "box_AP50", "box_AP75", "mask_AP", "mask_AP50", "mask_AP75"]


class DetectionSets(Strict):
    """Image lists, all of one data set.

    ``VOC2007/trainval`` is ``VOC2007/ImageSets/Main/trainval.txt``; ``coco/train2017`` are the images of that folder
    with ``coco/annotations/instances_train2017.json``.
    """

    train: Annotated[tuple[SetName, ...], Field(min_length=1)]
    test: SetName

    @model_validator(mode="after")
    def _of_one_data_set(self) -> Self:
        if len({name.startswith("VOC") for name in (*self.train, self.test)}) > 1:
            raise ValueError("lists of PASCAL VOC and of COCO cannot be mixed: their classes differ")
        return self


class Proposals(Strict):
    """The region proposal network. Thresholds, 256 samples an image and half of them positive are detectron2's."""

    anchor_sizes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Square roots of the anchors' areas, in pixels of the network's input; a pyramid has one for each of its maps."""
    anchor_ratios: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    """Height / width."""
    pre_nms_train: PositiveInt
    """Of each map."""
    post_nms_train: PositiveInt
    """Of an image, over all maps."""
    pre_nms_test: PositiveInt
    post_nms_test: PositiveInt


class RegionDetector(Strict):
    """Faster R-CNN "C4": stages 1-3 of the backbone make the map, stage 4 is the head of every region."""

    kind: Literal["faster_rcnn_c4"]
    backbone: BackboneName
    extra_norm: bool
    """One more batch norm after stage 4 (MoCo), trained from scratch like the rest of the head."""
    proposals: Proposals
    pool_size: PositiveInt
    """Side of the grid RoIAlign cuts from the stride-16 map."""
    rois_per_image: PositiveInt
    """Regions sampled per image in training, at most a quarter of them positive."""
    norm: Norm = later("SyncBN")
    """Of the backbone and the extra norm."""


class BoxHead(Strict):
    """Convolutions of 3 x 3 with norm and ReLU over what RoIAlign cuts, then one fully connected layer."""

    pool_size: PositiveInt
    """Side of the grid RoIAlign cuts."""
    convs: NonNegativeInt
    channels: PositiveInt
    hidden: PositiveInt
    """Width of the fully connected layer."""


class MaskHead(Strict):
    """Convolutions of 3 x 3 with norm and ReLU, a 2 x 2 deconvolution with ReLU, one logit a class and cell."""

    pool_size: PositiveInt
    """Side of the grid RoIAlign cuts; masks are predicted and learnt at twice as many cells."""
    convs: NonNegativeInt
    channels: PositiveInt


class PyramidDetector(Strict):
    """Mask R-CNN "FPN": five maps of strides 4 to 64 from all stages, one head for boxes and one for masks."""

    kind: Literal["mask_rcnn_fpn"]
    backbone: BackboneName
    norm: Norm
    """Of backbone, pyramid and heads: over the whole batch, or over each process's part of it. One process holds the
    whole batch, so there the two are one."""
    channels: PositiveInt
    """Of the pyramid's maps."""
    proposals: Proposals
    rois_per_image: PositiveInt
    """Regions sampled per image in training, at most a quarter of them positive."""
    box_head: BoxHead
    mask_head: MaskHead

    @model_validator(mode="after")
    def _one_size_a_map(self) -> Self:
        if len(self.proposals.anchor_sizes) != PYRAMID_MAPS:
            raise ValueError(f"proposals.anchor_sizes needs {PYRAMID_MAPS} sizes, one for each map of the pyramid")
        return self


PYRAMID_MAPS = 5
"""Strides 4, 8, 16, 32 and 64."""
DetectionModel = Annotated[RegionDetector | PyramidDetector, Field(discriminator="kind")]


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
            raise ValueError(f"steps {list(self.steps)} must rise to below iterations = {self.iterations}: set both")
        return self


class DetectionRules(Strict):
    """Which boxes count as detections."""

    score_threshold: Fraction
    nms_threshold: Fraction
    detections_per_image: PositiveInt


class DetectionTask(TaskConfig):
    """Object detection, with masks where the model has a mask head."""

    kind: Literal["detection"]
    metrics: Annotated[tuple[Metric, ...], Field(json_schema_extra={"identity": False})]
    sets: DetectionSets
    model: DetectionModel
    input: InputSizes
    schedule: Schedule
    test: DetectionRules
    tool: Literal["auto", "torchvision", "detectron2"] = not_identity("auto")

    @model_validator(mode="after")
    def _fits_its_labels(self) -> Self:
        masks = self.model.kind == "mask_rcnn_fpn"
        if masks and self.layout == "voc":
            raise ValueError("model.kind `mask_rcnn_fpn` learns masks, which are read from COCO alone")
        beginnings = {"voc": ("AP",), "coco": ("box", "mask") if masks else ("box",)}[self.layout]
        known = [metric for metric in get_args(Metric) if metric.startswith(beginnings)]
        odd = next((metric for metric in self.metrics if metric not in known), None)
        if odd:
            raise ValueError(f"metrics has `{odd}`, and {self.sets.test} is measured in {', '.join(known)}")
        return self

    @property
    def layout(self) -> str:
        """``voc`` or ``coco``."""
        return "voc" if self.sets.test.startswith("VOC") else "coco"

    @property
    def batch(self) -> int:
        """Images of one optimiser step, over all processes."""
        return self.schedule.batch

    @property
    def norm(self) -> Norm:
        """The batch norms that the protocol asks for."""
        return self.model.norm

    @property
    def tools(self) -> tuple[str, ...]:
        """detectron2 makes the head of a C4 detector of bottleneck blocks, and has no narrow networks: what it cannot
        build runs through torchvision alone."""
        built = ("resnet50",) if self.model.kind == "faster_rcnn_c4" else ("resnet50", "resnet18")
        return ("detectron2", "torchvision") if self.model.backbone in built else ("torchvision",)


Model = TypeVar("Model", RegionDetector, PyramidDetector)


def of_kind(config: DetectionTask, kind: type[Model]) -> Model:
    """The task's model, whose ``kind`` the caller has looked at."""
    if not isinstance(config.model, kind):
        raise TypeError(f"{config.name} has a {config.model.kind}")
    return config.model
