"""SlotCon: views agree on which prototype a place belongs to, and slots are contrasted between images."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ground import distributed
from pretrain.branch_config import AlignedTerm, MatchedTerm, SemanticGrouping
from pretrain.branches.alignment import aligned
from pretrain.branches.base import Geometry, ModulePair, PairBranch
from pretrain.branches.grouping import Grouped, disagreement, group, slot_infonce
from pretrain.branches.matching import by_similarity
from pretrain.branches.pixel import cells
from pretrain.branches.reweighting import semantic_weights, weighted_mean


class SemanticGroupingBranch(PairBranch):
    """A projector on every cell, prototypes with a momentum copy, and a predictor on slots.

    Follows CVMI-Lab/SlotCon models/slotcon.py (methods.md 8.2); terms of kind ``similarity`` are those of section 9.
    """

    centre: Tensor

    def __init__(self, channels: int, config: SemanticGrouping) -> None:
        super().__init__(channels, config)
        self.settings = config
        self.prototypes = nn.Embedding(config.prototypes, config.projector.out)
        self.target_prototypes = copy.deepcopy(self.prototypes).requires_grad_(False)
        self.register_buffer("centre", torch.zeros(config.prototypes))
        self._means: list[Tensor] = []

    def direction(self, query: Tensor, key: Tensor, geometry: Geometry, views: tuple[int, int]) -> Tensor:
        """The weighted group terms and slot term; see ``PairBranch.direction``."""
        projected = self.projector(cells(query).flatten(0, 1))
        target = self.momentum(cells(key).flatten(0, 1))
        shape = (query.shape[0], -1, projected.shape[1])
        with torch.autocast(query.device.type, enabled=False):
            temperature = self.settings.grouping_temperature
            student = group(projected.float().view(shape), self.prototypes.weight, temperature)
            teacher = group(target.float().view(shape), self.target_prototypes.weight, temperature)
            self._means.append(teacher.dots.mean((0, 1)))
            terms = [
                term.weight * self._aligned_term(student, teacher, geometry, views)
                if isinstance(term, AlignedTerm)
                else term.weight * self._matched_term(term, student, teacher, (query, key), geometry.masks[views[0]])
                for term in self.settings.terms
            ]
        terms.append(self.settings.slot_weight * self._slot_term(student, teacher))
        return torch.stack(terms).sum()

    def _disagreement(self, student: Tensor, teacher: Tensor) -> Tensor:
        settings = self.settings
        return disagreement(student, teacher, self.centre, settings.student_temperature, settings.teacher_temperature)

    def _aligned_term(self, student: Grouped, teacher: Grouped, geometry: Geometry, views: tuple[int, int]) -> Tensor:
        """Places both views see are assigned alike: mean over all cells of the two aligned maps.

        An image whose views do not meet has zeros for dots: it adds a constant, as released, and no gradient.
        """
        places = [
            _at_shared_places(grouped.dots, geometry.overlaps[view], geometry.flips[view])
            for grouped, view in zip((student, teacher), views, strict=True)
        ]
        return self._disagreement(*places).mean()

    def _matched_term(
        self,
        term: MatchedTerm,
        student: Grouped,
        teacher: Grouped,
        features: tuple[Tensor, Tensor],
        in_box: Tensor,
    ) -> Tensor:
        """Each query cell is assigned as the key cell whose backbone feature is most similar: weighted mean."""
        query, key = features
        found = by_similarity(cells(query.detach()), cells(key))
        index = found.index.unsqueeze(2).expand_as(teacher.dots)
        losses = self._disagreement(student.dots, teacher.dots.gather(1, index))
        if term.reweight is None:
            return losses.mean()
        weights = semantic_weights(found.similarity, in_box.flatten(1), term.reweight.power)
        return weighted_mean(losses, weights, self.settings.group)

    def _slot_term(self, student: Grouped, teacher: Grouped) -> Tensor:
        """InfoNCE of the slots active in both views of an image, against the teacher's active slots of all images.

        The mean over the queries of a group of images, averaged over the groups, times 2 T. The released code takes
        the mean per GPU, and a GPU without a query makes its loss NaN; here a group without one counts 0, and so does
        the term where fewer than two queries are left for the predictor's batch norm.
        """
        temperature = self.settings.slot_temperature
        both = student.active & teacher.active
        # The host waits for the device here and at the keys, to know how many are chosen. Shapes that no number decides
        # would have to hold the most there can be, a slot a cell: 25,088 queries by as many keys at a batch of 512,
        # 2.5 GB of logits a direction, and the predictor's batch norm would have to leave out what fills them up.
        chosen = both.nonzero(as_tuple=True)
        number = len(chosen[0])
        if distributed.world() > 1:
            number = int(distributed.gather(both.sum().view(1)).sum())
        if number < 2:
            return 0.0 * torch.stack([p.float().sum() for p in self.predictor.parameters()]).sum()
        predicted = self.predictor(student.slots[chosen])
        active = distributed.gather(teacher.active.byte()).bool()
        keys = distributed.gather(teacher.slots)[active]
        order = active.flatten().cumsum(0) - 1
        own = order[distributed.rank() * both.numel() :][: both.numel()].view_as(both)[chosen]
        with torch.autocast(both.device.type, enabled=False):
            losses = slot_infonce(predicted.float(), keys, own, temperature)
            spread = torch.zeros_like(both, dtype=losses.dtype).masked_scatter(both, losses)
            return 2 * temperature * weighted_mean(spread, both.float(), self.settings.group)

    def averaged(self) -> list[ModulePair]:
        """The projector and the prototypes."""
        return [*super().averaged(), (self.target_prototypes, self.prototypes)]

    def end_step(self, view: int) -> None:
        """Move the centre towards the mean of the step's teacher dots, of both views and all processes."""
        mean = distributed.mean(torch.stack(self._means).mean(0))
        self.centre.lerp_(mean, 1 - self.settings.centre_momentum)
        self._means.clear()


def _at_shared_places(dots: Tensor, overlap: Tensor, mirrored: Tensor) -> Tensor:
    """``aligned`` on the dots (B, N, K) of a square grid of cells: (B, N, K)."""
    grid = round(dots.shape[1] ** 0.5)
    maps = dots.transpose(1, 2).unflatten(2, (grid, grid))
    return cells(aligned(maps, overlap, mirrored))
