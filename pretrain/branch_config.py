"""What a recipe may say about its loss branches. The defaults are PixCon's released configuration."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from ground.config import Contradiction, Strict, later
from pretrain.view_config import Probability


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
    hands_over: ClassVar[bool] = True
    """Whether the finished network has its projector, for inputs of other recipes to compare images with."""

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if self.predictor and self.predictor.out != self.projector.out:
            problem = f"predictor.out {self.predictor.out} is not projector.out {self.projector.out}"
            raise Contradiction(problem, "Give both the same: predictions are compared with projections.")
        return self

    def passes(self, symmetric: bool, views: int) -> tuple[set[int], set[int]]:
        """Which of a sample's views pass through the student, and which through networks without gradient."""
        return ({0, 1}, {0, 1}) if symmetric else ({0}, {1})


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
    hands_over: ClassVar[bool] = False
    terms: TermWeights = TermWeights()

    def passes(self, symmetric: bool, views: int) -> tuple[set[int], set[int]]:
        """All; in one direction the first of each term's two through the student, the second through the teacher."""
        first, second = set(range(0, views, 2)), set(range(1, views, 2))
        return (first | second, first | second) if symmetric else (first, second)


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
    """Images over which weights are normalised: one GPU's share in the official code, whatever the GPUs here. A smaller
    batch is one group; a smaller part of an accumulated batch is refused where weights differ."""

    @model_validator(mode="after")
    def _reweight_needs_similarity(self) -> Self:
        if self.reweight and self.matcher.kind != "similarity":
            problem = "reweight needs `matcher.kind: similarity`: its weights are matched similarities"
            raise Contradiction(problem, "Change the matcher, or remove reweight by `reweight: null`.")
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

    def passes(self, symmetric: bool, views: int) -> tuple[set[int], set[int]]:
        """The teacher sees both crops whatever the student sees, the discovery network the spanning view."""
        return {0, 1} if symmetric else {0}, set(range(views))


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
    """Images over which slot losses and reweighted terms are averaged: one GPU's share in the official code. A smaller
    batch is one group; a smaller part of an accumulated batch is refused."""


class SceneTerms(Strict):
    """Weights of the terms of ``SceneInstances``."""

    scene: PositiveFloat = 1.0
    scene_instance: PositiveFloat = 1.0
    instance: PositiveFloat = 1.0


class Transport(Strict):
    """Optimal transport by Sinkhorn's iterations: the weight of the plan's entropy, and how often."""

    epsilon: PositiveFloat = 0.1
    iterations: PositiveInt = 50


class SceneInstances(Branch):
    """BYOL between two scenes, between them and the instances that both hold, and among the instances (UniVIP)."""

    kind: Literal["scene_instances"]
    predictor: Head = Head()
    instances: PositiveInt = 4
    """How many ``views.extra`` has."""
    terms: SceneTerms = SceneTerms()
    transport: Transport = Transport()

    def passes(self, symmetric: bool, views: int) -> tuple[set[int], set[int]]:
        """All through both: no term has a single direction."""
        return set(range(views)), set(range(views))


AnyBranch = Annotated[
    ImageContrast
    | ImageRegression
    | PixelContrast
    | PixelPropagation
    | ObjectMasks
    | ObjectPairs
    | SceneInstances
    | SemanticGrouping,
    Field(discriminator="kind"),
]
