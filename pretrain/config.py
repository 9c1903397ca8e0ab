"""What a recipe may say. The defaults are PixCon's released configuration; every field is part of the key
unless it is declared ``not_identity``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from ground.config import Contradiction, Strict, later, not_identity
from ground.networks import BackboneName
from pretrain.inputs import AnyInput, Correspondences
from pretrain.inputs import check as check_inputs
from pretrain.optim_config import AnyOptim, Sgd
from pretrain.view_config import OBJECTS, ObjectPairViews, Probability, Spanning, Views


class Head(Strict):
    """A perceptron, ``in → hidden → (norm) → ReLU → out``; 1×1 convolutions on a feature map."""

    hidden: PositiveInt = 2048
    out: PositiveInt = 128
    norm: bool = True
    last_bias: bool = True
    layers: int = later(2, ge=2)
    """Linear layers; those between the first and the last are ``hidden → hidden → (norm) → activation``."""
    activation: Literal["relu", "gelu"] = later("relu")
    init: Literal["torch", "trunc_normal"] = later("torch")
    """Of the linear layers: torch's default, or N(0, 0.02) cut at two deviations with zero biases (SlotCon)."""


class Branch(Strict):
    """A loss: its weight multiplies the sum over the directions (view 1 → 2, and 2 → 1 if symmetric)."""

    weight: PositiveFloat = 1.0
    projector: Head = Head()
    predictor: Head | None = Head()


class Contrast(Branch):
    """InfoNCE against a queue of momentum keys."""

    temperature: PositiveFloat = 0.2
    queue: PositiveInt = 65536
    query_block: PositiveInt = 4096
    """Queries compared with the queue at once: bounds memory. Matrix products of another shape round otherwise."""


class ImageContrast(Contrast):
    """Global-average-pooled InfoNCE (MoCo)."""

    kind: Literal["image_contrast"]


class ImageRegression(Branch):
    """BYOL: ``2 − 2 cos`` between prediction and target projection."""

    kind: Literal["image_regression"]
    pool: Literal["before", "after"] = later("before")
    """Average the map before the projector, or what projector and predictor make of its cells (PixPro)."""


class TermWeights(Strict):
    """Of the terms of ``ObjectPairs``."""

    image: PositiveFloat = 1.0
    intra: PositiveFloat = 1.0
    inter: PositiveFloat = 1.0


class ObjectPairs(Branch):
    """BYOL on the two crops, on the two patches of one object, and on patches of two objects that look alike (ORL):
    one projector, a predictor for each of the three."""

    kind: Literal["object_pairs"]
    predictor: Head = Head()
    terms: TermWeights = TermWeights()


class Similarity(Strict):
    """The positive of a query cell is the key cell whose backbone feature is most similar (DenseCL, PixCon-Sim)."""

    kind: Literal["similarity"] = "similarity"


class Coordinate(Strict):
    """The positive is the nearest key cell in the image, if nearer than ``threshold`` bin diagonals (PixPro)."""

    kind: Literal["coordinate"]
    threshold: PositiveFloat = 0.7


Matcher = Annotated[Similarity | Coordinate, Field(discriminator="kind")]


class Reweight(Strict):
    """Semantic reweighting: cells outside the views' intersection count by their matched similarity (PixCon-SR)."""

    power: PositiveFloat = 2.0


class PixelContrast(Contrast):
    """InfoNCE of matched cells (DenseCL, PixCon)."""

    kind: Literal["pixel_contrast"]
    matcher: Matcher = Similarity()
    reweight: Reweight | None = None
    group: PositiveInt = 128
    """Images over which weights are normalised: one GPU's share in the official code, whatever the GPUs here."""

    @model_validator(mode="after")
    def _reweight_needs_similarity(self) -> Self:
        if self.reweight and self.matcher.kind != "similarity":
            raise ValueError("reweight needs `matcher.kind: similarity`: its weights are matched similarities")
        return self


class PixelPropagation(Branch):
    """Regression of each cell, smoothed over similar cells, onto the other view's cells near it (PixPro)."""

    kind: Literal["pixel_propagation"]
    predictor: None = None
    """Propagation is in its place: say ``null``, so that no profile lays one over it."""
    power: float = Field(2.0, ge=1)
    clamp: float = 0.0
    """Similarities below it count as much as it."""
    transform_layers: Literal[0, 1] = 1
    """Linear layers on what is propagated."""
    threshold: PositiveFloat = 0.7
    """Cells nearer than so many bin diagonals are positives."""


class Discovery(Strict):
    """Where the masks come from: k-means on a backbone's features of the spanning view (Odin)."""

    refresh_epochs: int = Field(100, ge=0)
    """The backbone is a copy of the teacher's, made anew every so many epochs; 0 is the teacher itself."""
    clusters: int = Field(16, ge=2)
    iterations: PositiveInt = 10
    samples: PositiveInt = 16
    """Masks drawn of each view, with replacement."""


class ObjectMasks(Branch):
    """DetCon-B on the masks that the network finds itself (Odin)."""

    kind: Literal["object_masks"]
    temperature: PositiveFloat = 0.1
    discovery: Discovery = Discovery()


class AlignedTerm(Strict):
    """Cells of both views that show the same place, by the views' intersection (SlotCon)."""

    kind: Literal["coordinate"]
    weight: PositiveFloat = 0.5


class MatchedTerm(Strict):
    """Each cell and the other view's cell whose backbone feature is most similar."""

    kind: Literal["similarity"]
    weight: PositiveFloat = 0.5
    reweight: Reweight | None = None


GroupTerm = Annotated[AlignedTerm | MatchedTerm, Field(discriminator="kind")]


class SemanticGrouping(Branch):
    """SlotCon: prototypes group cells into slots; matched cells are to be grouped alike, slots are contrasted.

    ``predictor`` is the one on slots. With ``train.accumulate`` the negatives of a slot are the micro-batch's.
    """

    kind: Literal["semantic_grouping"]
    predictor: Head = Head()
    prototypes: PositiveInt
    terms: Annotated[tuple[GroupTerm, ...], Field(min_length=1)]
    """Group losses, summed."""
    grouping_temperature: PositiveFloat
    """Of the assignments that make slots, the student's and the teacher's."""
    student_temperature: PositiveFloat
    teacher_temperature: PositiveFloat
    centre_momentum: Probability
    slot_weight: PositiveFloat
    slot_temperature: PositiveFloat
    group: PositiveInt = 64
    """Images over which slot losses and reweighted terms are averaged: one GPU's share in the official code."""

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if self.predictor.out != self.projector.out:
            problem = f"predictor.out {self.predictor.out} is not projector.out {self.projector.out}"
            raise Contradiction(problem, "Give both the same: predicted slots are compared with slots.")
        return self


AnyBranch = Annotated[
    ImageContrast | ImageRegression | PixelContrast | PixelPropagation | ObjectMasks | ObjectPairs | SemanticGrouping,
    Field(discriminator="kind"),
]


class Norm(Strict):
    """``sync``: batch norm over the whole batch. ``shuffle``: over groups of ``group`` images, keys shuffled (MoCo)."""

    kind: Literal["sync", "shuffle"] = "sync"
    group: PositiveInt = 128


class Momentum(Strict):
    """The teacher's momentum: ``ascending`` goes from ``base`` to 1 along a cosine, ``constant`` stays."""

    base: Probability = 0.99
    schedule: Literal["ascending", "constant"] = "ascending"
    average: Literal["after", "before"] = later("after")
    """Which step's momentum an average has: the step just taken (mmselfsup averages after it), or the coming one
    (SlotCon and PixPro average before its forward pass)."""


class Model(Strict):
    """Student, momentum teacher and the branches between them."""

    backbone: BackboneName = "resnet50"
    zero_residuals: bool = later(False)
    """Start every residual block as its shortcut (SlotCon, PixPro)."""
    norm: Norm = Norm()
    momentum: Momentum = Momentum()
    symmetric: bool = True
    branches: dict[str, AnyBranch]
    export: Literal["student", "teacher"] = "student"

    @model_validator(mode="before")
    @classmethod
    def _drop_removed(cls, data: object) -> object:
        """A recipe that extends another removes a branch by ``name: null``."""
        return _without_removed(data, "branches")


class Train(Strict):
    """Length, batch and arithmetic."""

    epochs: PositiveInt = 800
    batch: PositiveInt = 512
    accumulate: PositiveInt = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp16"
    channels_last: bool = True
    threads: PositiveInt = 4
    """CPU threads of the arithmetic: they change the order of summation, so they are part of the key."""
    device: Literal["auto", "cpu", "cuda"] = not_identity("auto")
    workers: int = not_identity(4, ge=0)
    log_every: PositiveInt = not_identity(20)
    checkpoint_minutes: float = not_identity(10.0, gt=0)
    snapshot_epochs: int = not_identity(0, ge=0)
    """Keep the backbone every so many epochs (Figure 2); 0 keeps the last alone."""


class PretrainConfig(Strict):
    """One recipe, resolved: everything that decides its backbone but the seed and the images."""

    recipe: str
    title: str = not_identity("")
    version: PositiveInt = 1
    data: Literal["coco", "coco+"] = "coco"
    initial: bool = False
    """Hand over the backbone as it is initialised, without training: the floor every row is measured from."""
    inputs: dict[str, AnyInput] = later({})
    """Work on the data that has to be done before, by the role it has here."""
    views: Views
    model: Model
    optim: AnyOptim = Sgd()
    train: Train = Train()

    @model_validator(mode="before")
    @classmethod
    def _drop_removed(cls, data: object) -> object:
        """A recipe that extends another removes an input by ``name: null``."""
        return _without_removed(data, "inputs")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        batch = self.train.batch
        if batch % self.train.accumulate:
            raise ValueError(f"train.batch {batch} is not divisible by train.accumulate {self.train.accumulate}")
        if self.model.norm.kind == "shuffle":
            group = self.model.norm.group
            if group < 2 or (batch // self.train.accumulate) % group:
                raise ValueError(f"model.norm.group {group} must be at least 2 and divide the batch of {batch}")
        for name, branch in self.model.branches.items():
            if isinstance(branch, Contrast) and branch.queue % batch:
                raise ValueError(f"model.branches.{name}.queue {branch.queue} is not divisible by train.batch {batch}")
            micro = batch // self.train.accumulate
            if isinstance(branch, PixelContrast | SemanticGrouping) and micro > branch.group and micro % branch.group:
                raise ValueError(f"model.branches.{name}.group {branch.group} does not divide the batch of {micro}")
            if not self.views.min_overlap and (fields := _read_from_intersection(branch)):
                problem = f"model.branches.{name}.{fields[0]} reads where the views meet, and views.min_overlap is 0"
                raise Contradiction(problem, "Set views.min_overlap above 0; released code has 0.01.")
        if self.initial == bool(self.model.branches):
            raise ValueError("model.branches must name a loss, or `initial: true` say that nothing is trained")
        if self.initial and self.inputs:
            raise ValueError("inputs are for a recipe that trains, and `initial: true` says that nothing is trained")
        check_inputs(self.inputs)
        return self

    @model_validator(mode="after")
    def _masks_can_be_found(self) -> Self:
        for name, branch in self.model.branches.items():
            if not isinstance(branch, ObjectMasks):
                continue
            where, clusters = f"model.branches.{name}", branch.discovery.clusters
            if not isinstance(self.views.extra, Spanning):
                raise ValueError(f"{where} needs `views.extra.kind: spanning`: its masks are found there")
            cells = (-(-self.views.extra.size // 32)) ** 2
            if clusters > cells:
                raise ValueError(
                    f"{where}.discovery.clusters {clusters} exceeds the {cells} cells of views.extra.size "
                    f"{self.views.extra.size}"
                )
            if self.model.norm.kind != "sync":
                raise ValueError(f"{where} needs `model.norm.kind: sync`: its discovery network is never shuffled")
            if self.train.accumulate > 1:
                raise ValueError(f"train.accumulate must be 1: {where} contrasts the masks of the whole batch")
        return self

    @model_validator(mode="after")
    def _objects_can_be_found(self) -> Self:
        patches = isinstance(self.views.extra, ObjectPairViews)
        for name, branch in self.model.branches.items():
            if isinstance(branch, ObjectPairs) and not patches:
                raise ValueError(f"model.branches.{name} needs `views.extra.kind: object_pairs`: it reads its patches")
        if patches and not isinstance(self.inputs.get(OBJECTS), Correspondences):
            raise ValueError(f"views.extra needs `inputs.{OBJECTS}.kind: correspondences`: its patches are cut there")
        return self


def _without_removed(data: object, field: str) -> object:
    """``data`` less the entries of its mapping ``field`` that are null."""
    if isinstance(data, dict) and isinstance(data.get(field), dict):
        return {**data, field: {name: value for name, value in data[field].items() if value is not None}}
    return data


def _read_from_intersection(branch: Branch) -> list[str]:
    """Fields of a branch that mean something only where the two views meet."""
    if isinstance(branch, PixelContrast):
        return ["reweight"] if branch.reweight else []
    if isinstance(branch, SemanticGrouping):
        return [f"terms.{at}" for at, term in enumerate(branch.terms) if isinstance(term, AlignedTerm) or term.reweight]
    return []
