"""Odin: masks found in a spanning view by an older self, contrasted across the two crops."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ground.distributed import rank, world
from pretrain.branch_config import ObjectMasks
from pretrain.branches.base import ProjectedBranch, Seen
from pretrain.branches.clustering import kmeans
from pretrain.branches.detcon import choose_masks, detcon_loss, pool_masks
from pretrain.branches.label_maps import transfer_labels
from pretrain.branches.pixel import cells
from pretrain.device import moved

SPAN = 2
"""Number of the spanning view."""


class ObjectMasksBranch(ProjectedBranch):
    """DetCon-B on the masks of a discovery network (Odin; methods.md 12, where the paper's text was not to be had).

    K-means over the discovery network's l2-normalised C5 cells of the spanning view gives labels; both crops take
    them over by area. Student and teacher pool their features under the same sampled masks.
    """

    capturable = True

    def __init__(self, channels: int, config: ObjectMasks) -> None:
        super().__init__(channels, config)
        self.temperature, self.discovery = config.temperature, config.discovery
        self.network: nn.Module | None = None

    def views(self, symmetric: bool) -> tuple[set[int], set[int]]:
        """The loss of one crop needs the teacher's masks of both; without a copy the teacher also sees the span."""
        return {0, 1} if symmetric else {0}, {0, 1} if self.discovery.refresh_epochs else {0, 1, SPAN}

    def attach(self, teacher: nn.Module) -> None:
        """Copy the teacher, unless it is the discovery network itself."""
        if self.discovery.refresh_epochs:
            self.network = copy.deepcopy(teacher)
        self._teacher = (teacher,)  # in a tuple, or it would be registered as ours

    def start_epoch(self, epoch: int) -> None:
        """Copy the teacher anew when it is time: weights and batch-norm statistics."""
        if self.network is not None and epoch % self.discovery.refresh_epochs == 0:
            self.network.load_state_dict(self._teacher[0].state_dict())

    def forward(self, seen: Seen) -> Tensor:
        """See ``Branch.forward``: the sum over the crops that the student sees."""
        labels = self._labels(seen)
        drawn = seen.drawn or [moved(numbers, labels[0].device) for numbers in self.draw(len(labels[0]))]
        ids = [choose_masks(each, self.discovery.clusters, drawn.pop(0)) for each in labels]
        targets = [self._each(self.momentum, seen.teacher[view], labels[view], ids[view]) for view in (0, 1)]
        losses = []
        for view in sorted(seen.student.keys() & {0, 1}):
            predictions = self._each(self.online, seen.student[view], labels[view], ids[view])
            other = 1 - view
            losses.append(
                detcon_loss(predictions, targets[view], targets[other], ids[view], ids[other], self.temperature)
            )
        return self.weight * torch.stack(losses).sum()

    @torch.no_grad()
    def _labels(self, seen: Seen) -> list[Tensor]:
        """The mask id of each cell of both crops: two of (B, N)."""
        maps = seen.teacher[SPAN] if self.network is None else self.network(seen.images[SPAN])
        with torch.autocast(maps.device.type, enabled=False):
            vectors = F.normalize(cells(maps).float(), dim=2)
            found = kmeans(vectors, self.discovery.clusters, self.discovery.iterations).view(-1, *maps.shape[2:])
        boxes, side = seen.geometry.boxes, seen.teacher[0].shape[2]
        crops = [transfer_labels(found, boxes[SPAN], boxes[crop], side, self.discovery.clusters) for crop in (0, 1)]
        return [labels.flatten(1) for labels in crops]

    def draw(self, images: int) -> list[Tensor]:
        """Numbers in [0, 1) for both crops of this process's images, (B, samples) each, the same whatever the number of
        processes: the training loop sets the global generator to the same (seed, step) on every one."""
        everyone = [torch.rand(world() * images, self.discovery.samples) for _ in range(2)]
        return [numbers[rank() * images : (rank() + 1) * images] for numbers in everyone]

    def _each(self, head: Callable[[Tensor], Tensor], maps: Tensor, labels: Tensor, ids: Tensor) -> Tensor:
        """``head`` of the features under every chosen mask: (B, samples, out)."""
        pooled = pool_masks(cells(maps), labels, ids)
        return head(pooled.flatten(0, 1)).view(*ids.shape, -1)
