"""ORL's third stage: BYOL between crops, between patches of one object and between patches of two alike."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from pretrain.branch_config import ObjectPairs
from pretrain.branches.base import Branch, ModulePair, Seen
from pretrain.branches.image import pool, regression
from pretrain.model.heads import perceptron

TERMS = {"image": (0, 1), "intra": (2, 3), "inter": (4, 5)}
"""The views of each term."""


class ObjectPairsBranch(Branch):
    """One projector for all views, one predictor for each term, each term symmetric (methods.md 7).

    Views pass the heads one by one, so that batch norms see crops apart from patches, as in Jiahao000/ORL
    openselfsup/models/orl.py.
    """

    capturable = True

    def __init__(self, channels: int, config: ObjectPairs) -> None:
        super().__init__(config)
        self.terms = {term: float(getattr(config.terms, term)) for term in TERMS}
        self.projector = perceptron(channels, config.projector)
        self.predictors = nn.ModuleDict({term: perceptron(config.projector.out, config.predictor) for term in TERMS})
        self.target = copy.deepcopy(self.projector).requires_grad_(False)

    def views(self, symmetric: bool) -> tuple[set[int], set[int]]:
        """All six; without symmetry the first of each term of the student, the second of the teacher."""
        first, second = ({views[side] for views in TERMS.values()} for side in (0, 1))
        return (first | second, first | second) if symmetric else (first, second)

    def forward(self, seen: Seen) -> Tensor:
        """The weighted sum of the terms; see ``Branch.forward``."""
        losses = [
            self.terms[term] * self._direction(term, seen.student[view], seen.teacher[other])
            for term, pair in TERMS.items()
            for view, other in (pair, pair[::-1])
            if view in seen.student and other in seen.teacher
        ]
        return self.weight * torch.stack(losses).sum()

    def _direction(self, term: str, query: Tensor, key: Tensor) -> Tensor:
        """The loss of one view of the student against another of the teacher: maps (B, C, H, W)."""
        with torch.no_grad():
            target = self.target(pool(key))
        return regression(self.predictors[term](self.projector(pool(query))), target)

    def averaged(self) -> list[ModulePair]:
        """The projector."""
        return [(self.target, self.projector)]
