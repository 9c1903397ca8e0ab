"""What every branch is: an online head, its momentum copy, and a loss per direction."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from pretrain.config import Branch as BranchConfig
from pretrain.model.heads import perceptron


@dataclass
class Geometry:
    """Where the two views lie; every field is a pair (view 1, view 2).

    ``masks`` bool (B, S, S): cells the other view sees. ``boxes`` (B, 4): signed, in image pixels.
    """

    masks: tuple[Tensor, Tensor]
    boxes: tuple[Tensor, Tensor]


class Branch(nn.Module, ABC):
    """A projector and predictor on the student's features, an EMA projector on the teacher's, and a loss.

    A subclass gives ``direction``; one that keeps a queue also fills ``fresh`` and says what ``end_step`` does.
    """

    def __init__(self, channels: int, config: BranchConfig) -> None:
        super().__init__()
        self.weight = config.weight
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

    @abstractmethod
    def direction(self, query: Tensor, key: Tensor, geometry: Geometry, views: tuple[int, int]) -> Tensor:
        """The loss of view ``views[0]`` of the student against view ``views[1]`` of the teacher.

        Args:
            query: student feature map (B, C, H, W).
            key: teacher feature map (B, C, H, W).
            geometry: of both views.
            views: (0, 1) or (1, 0).
        """

    def forward(self, student: dict[int, Tensor], teacher: dict[int, Tensor], geometry: Geometry) -> Tensor:
        """``weight`` × the sum over directions: each student view against the other view of the teacher."""
        losses = [self.direction(maps, teacher[1 - view], geometry, (view, 1 - view)) for view, maps in student.items()]
        return self.weight * torch.stack(losses).sum()

    def end_step(self, view: int) -> None:
        """Called once after the optimiser's step; ``view`` is the one whose keys a queue takes."""
