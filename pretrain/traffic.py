"""What several processes send each other in a step of a pre-training, from its settings alone. Imports nothing heavy.

Gradients go by `DistributedDataParallel`, batch-norm statistics by torch's `SyncBatchNorm`, keys, slots and shuffled
images by all-gather. Networks are as in ``ground.backbones`` and ``pretrain.model``; a test counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ground.networks import BackboneName
from pretrain import cost
from pretrain.branch_config import AnyBranch, Head
from pretrain.config import PretrainConfig

SIDE = 224
FLOAT = 4
"""Bytes. Gradients, statistics and keys are single precision whatever the arithmetic."""


@dataclass(frozen=True)
class Layer:
    """A convolution or a linear layer, with the batch norm behind it."""

    parameters: int
    work: float
    """Multiplications for an image of 224 pixels."""
    norm: int = 0
    """Channels of its batch norm; 0 without one."""


@dataclass(frozen=True)
class Gathering:
    """An all-gather of a step."""

    bytes_per_image: float
    """Of the whole batch: what each process holds of it in the end."""
    times: int = 1


@dataclass(frozen=True)
class Traffic:
    """Layers in the order of the forward pass, and how often each network is passed."""

    backbone: tuple[Layer, ...]
    heads: tuple[Layer, ...]
    targets: tuple[Layer, ...]
    """The momentum copies of projectors: no gradient."""
    student: tuple[float, ...]
    """Passes with gradient, each as a share of the area of 224 × 224; ``teacher``: without."""
    teacher: tuple[float, ...]
    views: int
    """Of an image, as they are loaded."""
    directions: int
    """How often heads are passed."""
    synchronised: bool
    """Whether the backbone's batch norms span processes."""
    gatherings: tuple[Gathering, ...]


def of(config: PretrainConfig) -> Traffic:
    """The traffic of a recipe that trains."""
    sizes = [config.views.size] * 2 + (config.views.extra.sizes if config.views.extra else [])
    student: set[int] = set()
    teacher: set[int] = set()
    heads: list[Layer] = []
    targets: list[Layer] = []
    gatherings: list[Gathering] = []
    backbone = tuple(layers(config.model.backbone))
    channels = width(config.model.backbone)
    cells = (config.views.size // 32) ** 2
    directions = 2 if config.model.symmetric else 1
    for branch in config.model.branches.values():
        of_student, of_teacher = branch.passes(config.model.symmetric, len(sizes))
        student |= of_student
        teacher |= of_teacher
        heads += _heads(branch, channels, cells)
        targets += _perceptron(channels, branch.projector, _places(branch, cells))
        gatherings += _gathered(branch, directions)
    areas = [(size / SIDE) ** 2 for size in sizes]
    if config.model.norm.kind == "shuffle":
        gatherings += [_shuffled(sizes[view], channels) for view in sorted(teacher)]
    return Traffic(
        backbone,
        tuple(heads),
        tuple(targets),
        tuple(areas[view] for view in sorted(student)),
        tuple(areas[view] for view in sorted(teacher)),
        len(sizes),
        directions,
        config.model.norm.kind == "sync",
        tuple(gatherings),
    )


def width(backbone: BackboneName) -> int:
    """Channels of the last feature map."""
    return {"resnet50": 2048, "resnet18": 512, "resnet10_w32": 256}[backbone]


def layers(backbone: BackboneName) -> Iterator[Layer]:
    """A ResNet's convolutions, each with its batch norm, in the order of the forward pass."""
    blocks = {"resnet50": (3, 4, 6, 3), "resnet18": (2, 2, 2, 2), "resnet10_w32": (1, 1, 1, 1)}[backbone]
    stem = 32 if backbone == "resnet10_w32" else 64
    deep = backbone == "resnet50"
    side = SIDE // 2
    yield _convolution(3, stem, 7, side)
    channels, side = stem, side // 2
    for stage, count in enumerate(blocks):
        inner = stem * 2**stage
        out = inner * 4 if deep else inner
        for block in range(count):
            before, side = side, side // (2 if stage and not block else 1)
            if deep:
                yield _convolution(channels, inner, 1, before)
                yield _convolution(inner, inner, 3, side)
                yield _convolution(inner, out, 1, side)
            else:
                yield _convolution(channels, inner, 3, side)
                yield _convolution(inner, out, 3, side)
            if channels != out or before != side:
                yield _convolution(channels, out, 1, side)
            channels = out


def _convolution(channels: int, out: int, kernel: int, side: int) -> Layer:
    weights = channels * out * kernel**2
    return Layer(weights + 2 * out, weights * side**2, out)


def _perceptron(channels: int, head: Head, places: int) -> Iterator[Layer]:
    """See ``pretrain.model.heads.perceptron``."""
    for _ in range(head.layers - 1):
        norm = head.hidden if head.norm else 0
        yield Layer(channels * head.hidden + head.hidden + 2 * norm, channels * head.hidden * places, norm)
        channels = head.hidden
    yield Layer(channels * head.out + head.out * head.last_bias, channels * head.out * places)


def _places(branch: AnyBranch, cells: int) -> int:
    """On how many vectors of an image a branch's projector works."""
    return cells if branch.kind in {"pixel_contrast", "pixel_propagation", "semantic_grouping"} else 1


def _heads(branch: AnyBranch, channels: int, cells: int) -> Iterator[Layer]:
    """What of a branch has gradients."""
    places, out = _places(branch, cells), branch.projector.out
    yield from _perceptron(channels, branch.projector, places)
    if branch.predictor is not None:
        predictors = 3 if branch.kind == "object_pairs" else 1
        for _ in range(predictors):
            yield from _perceptron(out, branch.predictor, 1 if branch.kind == "semantic_grouping" else places)
    if branch.kind == "pixel_propagation" and branch.transform_layers:
        yield Layer(out * out + out, out * out * places)
    if branch.kind == "semantic_grouping":
        yield Layer(branch.prototypes * out, branch.prototypes * out * places)
    if branch.kind == "scene_instances":
        joined = branch.instances * branch.predictor.out
        yield Layer(joined * out + out, joined * out)


def _gathered(branch: AnyBranch, directions: int) -> Iterator[Gathering]:
    """Keys for a queue once a step; slots and their signs in each direction; masked features of both crops."""
    if branch.kind in {"image_contrast", "pixel_contrast"}:
        yield Gathering(FLOAT * branch.projector.out)
    elif branch.kind == "semantic_grouping":
        yield Gathering(FLOAT * branch.prototypes * branch.projector.out, directions)
        yield Gathering(branch.prototypes, directions)
    elif branch.kind == "object_masks":
        yield Gathering(FLOAT * branch.discovery.samples * branch.projector.out, 2 * directions)


def _shuffled(size: int, channels: int) -> Gathering:
    """ShuffleBN sends the images to others and gets the features back."""
    return Gathering(FLOAT * (3 * size**2 + channels * (size // 32) ** 2))


def work(config: PretrainConfig) -> float:
    """Multiplications for an image of a batch: as many forward passes as `pretrain.cost` counts, without heads."""
    return cost.passes(config).forwards * sum(layer.work for layer in layers(config.model.backbone))
