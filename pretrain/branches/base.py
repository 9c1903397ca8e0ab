"""What every branch is: a loss on what student and momentum teacher make of a sample's views."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from pretrain.branch_config import Branch as BranchConfig
from pretrain.model.heads import perceptron

ModulePair = tuple[nn.Module, nn.Module]
"""(the teacher's, the student's) of one network."""


@dataclass
class Geometry:
    """Where the views lie.

    ``masks`` bool (B, S, S), of views 1 and 2: cells the other view sees. ``overlaps`` (B, 4), of views 1 and 2: their
    intersection (x1, y1, x2, y2) in [0, 1] of the view before it is mirrored. ``boxes`` (B, 4), of every view: signed,
    in pixels of its image. ``flips`` bool (B,), of every view: whether it is mirrored. ``sizes`` (B, 2), of every view:
    (width, height) of its image in pixels. ``drawn``: what ``StudentTeacher.draw`` drew for the pass; empty, it is
    drawn when it is needed.
    """

    masks: tuple[Tensor, Tensor]
    overlaps: tuple[Tensor, Tensor]
    boxes: tuple[Tensor, ...]
    flips: tuple[Tensor, ...]
    sizes: tuple[Tensor, ...] = ()
    drawn: tuple[Tensor, ...] = ()


@dataclass
class Seen:
    """What the branches read of one batch, by number of the view: views 0 and 1 are the two crops of every recipe.

    ``images`` (B, 3, H, W), normalised. ``student`` and ``teacher``: their C5 maps (B, C, H/32, W/32), the teacher's
    without gradient, of the views that some branch asked for. ``drawn``: what ``Branch.draw`` drew for all branches, in
    their order; each takes its own from the front.
    """

    images: tuple[Tensor, ...]
    student: dict[int, Tensor]
    teacher: dict[int, Tensor]
    geometry: Geometry
    drawn: list[Tensor] = field(default_factory=list)


class Branch(nn.Module, ABC):
    """A loss; its ``weight`` is already in what ``forward`` returns."""

    capturable = False
    """Whether ``forward`` can be recorded as a CUDA graph: it looks at no tensor's values, and ``draw`` alone draws."""

    def __init__(self, config: BranchConfig) -> None:
        super().__init__()
        self.weight = config.weight

    def views(self, symmetric: bool) -> tuple[set[int], set[int]]:
        """The views whose maps it reads: of the student, of the teacher."""
        return ({0, 1}, {0, 1}) if symmetric else ({0}, {1})

    @abstractmethod
    def forward(self, seen: Seen) -> Tensor:
        """The weighted loss of one batch, a scalar."""

    def attach(self, teacher: nn.Module) -> None:
        """Called once when the model is built, with the teacher's backbone: for branches with a network of their own.

        Keep no reference to it as a submodule: it belongs to the model.
        """

    def averaged(self) -> list[ModulePair]:
        """Its networks that have a momentum copy."""
        return []

    def start_epoch(self, epoch: int) -> None:
        """Called before the first step of each epoch, counted from 0."""

    def draw(self, images: int) -> list[Tensor]:
        """The random numbers of a pass over so many images of this process, on the host, from the global generator."""
        return []

    def remembered(self) -> Callable[[], None]:
        """What puts back what the forward pass just taken has left for ``end_step``: a replayed one leaves nothing."""
        return lambda: None

    def end_step(self, view: int) -> None:
        """Called once after the optimiser's step; ``view`` is the one whose keys a queue takes."""


class ProjectedBranch(Branch):
    """A projector and predictor on the student's features, an EMA projector on the teacher's."""

    def __init__(self, channels: int, config: BranchConfig) -> None:
        super().__init__(config)
        self.projector = perceptron(channels, config.projector)
        self.predictor = perceptron(config.projector.out, config.predictor) if config.predictor else nn.Identity()
        self.target = copy.deepcopy(self.projector).requires_grad_(False)

    def online(self, vectors: Tensor) -> Tensor:
        """The student's output for (N, channels) vectors: (N, out)."""
        return cast(Tensor, self.predictor(self.projector(vectors)))

    def momentum(self, vectors: Tensor) -> Tensor:
        """The teacher's output for (N, channels) vectors, without gradient: (N, out)."""
        with torch.no_grad():
            return cast(Tensor, self.target(vectors))

    def averaged(self) -> list[ModulePair]:
        """The projector."""
        return [(self.target, self.projector)]


class PairBranch(ProjectedBranch):
    """A loss per direction, from view 1 of the student to view 2 of the teacher and back.

    A subclass gives ``direction``; one that keeps a queue also fills ``fresh`` and says what ``end_step`` does.
    """

    @abstractmethod
    def direction(self, query: Tensor, key: Tensor, geometry: Geometry, views: tuple[int, int]) -> Tensor:
        """The loss of view ``views[0]`` of the student against view ``views[1]`` of the teacher.

        Args:
            query: student feature map (B, C, H, W).
            key: teacher feature map (B, C, H, W).
            geometry: of all views.
            views: (0, 1) or (1, 0).
        """

    def forward(self, seen: Seen) -> Tensor:
        """``weight`` × the sum over directions: each of the two crops of the student against the teacher's other."""
        losses = [
            self.direction(seen.student[view], seen.teacher[1 - view], seen.geometry, (view, 1 - view))
            for view in (0, 1)
            if view in seen.student and 1 - view in seen.teacher
        ]
        return self.weight * torch.stack(losses).sum()
