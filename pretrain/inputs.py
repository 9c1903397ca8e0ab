"""What a recipe may rest on besides images: work on its data that is done once, before it, and shared by all recipes
that ask for the same. One settings class a kind; what does the work is ``pretrain.prepare``. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from ground.config import Contradiction, Settings, Strict, not_identity, suggest, validate

if TYPE_CHECKING:
    from pretrain.config import PretrainConfig

Share = Annotated[float, Field(ge=0, le=1)]


class Input(Strict):
    """One piece of such work. Every field is part of its key unless it is declared ``not_identity``."""

    kind: str
    version: PositiveInt = 1
    """Raised when a fix changes what comes out."""
    threads: PositiveInt = 4
    """CPU threads of the arithmetic: they change the order of summation."""
    device: Literal["auto", "cpu", "cuda"] = not_identity("auto")
    """What computes; ``auto`` is what the recipe trains on."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Roles of the recipe's other inputs that it reads."""
        return ()

    @property
    def pretrained(self) -> dict[str, str]:
        """Role → the recipe whose finished pre-training it reads in this role, from the same seed."""
        return {}

    def check_pretrained(self, role: str, pretrained: PretrainConfig, data: str) -> None:
        """Whether it can use what the recipe it reads in ``role`` will leave.

        Args:
            role: one of ``pretrained``.
            pretrained: that recipe, at the scale of the plan.
            data: what the recipe learns from whose input this is.

        Raises:
            Contradiction: it cannot; the message begins with the field of this input.
        """


class SelectiveSearch(Input):
    """Regions of every image that look like things (ORL, stage 2)."""

    kind: Literal["selective_search"]
    threads: PositiveInt = not_identity(4)
    device: Literal["cpu"] = not_identity("cpu")
    method: Literal["fast", "quality"] = "fast"
    longest: PositiveInt | None = None
    """Search on an image shrunk to this longer side, in pixels; the image as it is if null. Boxes are of the latter."""
    workers: int = not_identity(8, ge=0)


class BoxFilter(Strict):
    """Which regions count as objects: see ``pretrain.prepare.selection.filtered``."""

    min_side: PositiveInt = 96
    """Pixels of the image."""
    max_aspect: float = Field(3.0, ge=1)
    """Longer side over shorter side."""
    max_iou: Share = 0.5
    """With regions kept before."""
    most: PositiveInt = 100


class Correspondences(Input):
    """Images like every image, and which of their regions look alike, by a pre-trained backbone (ORL, stage 2)."""

    kind: Literal["correspondences"]
    recipe: str = "orl-stage1"
    """Whose backbone says what looks alike."""
    branch: str = "image"
    """Whose projector in that recipe gives the space in which images are neighbours."""
    neighbours: PositiveInt = 10
    resize: PositiveInt = 256
    """Shorter side of an image when neighbours are looked for; of it the central square of ``size`` is seen."""
    size: PositiveInt = 224
    boxes: BoxFilter = BoxFilter()
    patch: PositiveInt = 224
    """Side to which a region is resized to be compared."""
    pair_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Pairs kept with each neighbour over regions of the image; at least one pair."""
    batch: PositiveInt = 128
    """Images or patches in one pass: matrix products of another shape round otherwise."""
    workers: int = not_identity(8, ge=0)

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.size > self.resize:
            raise ValueError(f"size {self.size} is larger than resize {self.resize}")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The regions to compare."""
        return ("proposals",)

    @property
    def pretrained(self) -> dict[str, str]:
        """The backbone that compares."""
        return {"weights": self.recipe}

    def check_pretrained(self, role: str, pretrained: PretrainConfig, data: str) -> None:
        """It is trained, on the same data, and leaves the projector of ``branch``."""
        if pretrained.initial:
            problem = f"recipe `{self.recipe}` trains nothing and has no projector"
            raise Contradiction(problem, "Name a recipe that trains, as orl-stage1 does.")
        if pretrained.data != data:
            problem = f"recipe `{self.recipe}` learns from {pretrained.data}, this recipe from {data}"
            raise Contradiction(problem, f"Name a recipe that learns from {data}.")
        left = sorted(name for name, branch in pretrained.model.branches.items() if branch.hands_over)
        if self.branch not in left:
            problem = f"branch `{self.branch}` is none whose projector recipe `{self.recipe}` leaves"
            raise Contradiction(problem, suggest(self.branch, left) if left else "It leaves none: name another recipe.")


AnyInput = Annotated[SelectiveSearch | Correspondences, Field(discriminator="kind")]


class _One(Strict):
    input: AnyInput


def resolve(settings: Settings, where: object) -> AnyInput:
    """An input from its resolved settings.

    Raises:
        ConfigError: see ``ground.config.validate``.
    """
    return validate(_One, {"input": settings}, where).input


def check(inputs: Mapping[str, Input]) -> None:
    """Whether each of a recipe's inputs, by role, finds the others that it needs.

    Raises:
        ValueError: one is missing, or they wait for each other in a circle.
    """
    for role, each in inputs.items():
        for needed in each.needs:
            if needed not in inputs:
                raise ValueError(f"inputs.{role} ({each.kind}) needs inputs.{needed}, which is not there")
    waiting = set(inputs)
    while ready := {role for role in waiting if waiting.isdisjoint(inputs[role].needs)}:
        waiting -= ready
    if waiting:
        raise ValueError(f"inputs {', '.join(sorted(waiting))} wait for each other in a circle")
