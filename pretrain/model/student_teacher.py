"""The one model of all recipes: a student and a momentum teacher see two views, branches read both."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import ResNet

from ground import backbones
from ground.distributed import world
from pretrain.branches.base import Branch, Geometry, Seen
from pretrain.branches.registry import build_branch
from pretrain.config import Model
from pretrain.device import moved
from pretrain.model.fused_pass import fused_pass
from pretrain.model.norm import SyncBatchNorm, in_groups
from pretrain.model.shuffle import permutation, shuffled


class FeatureMap(nn.Module):
    """A ResNet up to its last feature map: (B, 3, H, W) → (B, C, H/32, W/32)."""

    def __init__(self, resnet: ResNet) -> None:
        super().__init__()
        self.resnet = resnet

        self.fused = self.recompute = False

    def forward(self, images: Tensor, groups: int = 1) -> Tensor:
        """The C5 map; ``groups`` equal parts of the batch have batch norms of their own, if ``fused``."""
        if self.fused and self.training:
            return fused_pass(self.resnet, images, groups, self.recompute)
        net = self.resnet
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        return cast(Tensor, net.layer4(net.layer3(net.layer2(net.layer1(x)))))


class StudentTeacher(nn.Module):
    """Student backbone, teacher backbone (its EMA, no gradient) and the recipe's branches.

    The teacher starts as the student's copy. Only parameters are averaged; each network's batch-norm statistics are
    those of its own passes (methods.md 1.4).
    """

    def __init__(self, config: Model) -> None:
        super().__init__()
        self.norm, self.symmetric = config.norm, config.symmetric
        norm = SyncBatchNorm if config.norm.kind == "sync" else nn.BatchNorm2d
        self.student = FeatureMap(backbones.build(config.backbone, norm, zero_residuals=config.zero_residuals))
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        channels = backbones.channels(config.backbone)[1]
        self.branches = nn.ModuleDict({name: build_branch(channels, b) for name, b in config.branches.items()})
        for branch in self._branches():
            branch.attach(self.teacher)
        self.stack = False
        self._averaged: tuple[list[Tensor], list[Tensor]] | None = None

    def _branches(self) -> list[Branch]:
        return [cast(Branch, branch) for branch in self.branches.values()]

    def forward(self, views: tuple[Tensor, ...], geometry: Geometry) -> tuple[dict[str, Tensor], Tensor]:
        """Losses by branch, already weighted, and the student's features of view 0 pooled, (B, C), detached.

        Args:
            views: normalised batches (B, 3, H, W), the two crops first.
            geometry: where they lie.
        """
        drawn = list(geometry.drawn) or [moved(each, views[0].device) for each in self.draw(len(views[0]))]
        with torch.no_grad():
            teacher = self._passed(partial(self._teacher, drawn), views, self._order())
        # After the teacher, whose passing maps then need not lie beside all that the student's backward keeps.
        seen_by_student = set().union(*(branch.views(self.symmetric)[0] for branch in self._branches()))
        student = self._passed(self._student, views, sorted(seen_by_student))
        seen = Seen(views, student, teacher, geometry, drawn)
        losses = {name: branch(seen) for name, branch in self.branches.items()}
        return losses, student[0].detach().float().mean((2, 3))

    def _order(self) -> list[int]:
        """The teacher's views in the order of their queries: batch norms count in the order of the passes."""
        wanted = set().union(*(branch.views(self.symmetric)[1] for branch in self._branches()))
        return [view for view in (1, 0) if view in wanted] + sorted(wanted - {0, 1})

    def draw(self, images: int) -> list[Tensor]:
        """The random numbers of a pass over so many images of this process, on the host, in the order in which it takes
        them: all that a recorded pass cannot draw itself."""
        passes = self._order() if self.norm.kind == "shuffle" else []
        shuffles = [each for _ in passes for each in permutation(images)]
        return shuffles + [each for branch in self._branches() for each in branch.draw(images)]

    def _passed(self, network: Callable[..., Tensor], views: tuple[Tensor, ...], order: list[int]) -> dict[int, Tensor]:
        """The maps of the views in ``order``, one after the other or, of one size, at once."""
        if not self.stack or self.norm.kind == "shuffle" or len({views[view].shape for view in order}) != 1:
            return {view: network(views[view]) for view in order}
        maps = network(torch.cat([views[view] for view in order]), groups=len(order))
        return dict(zip(order, maps.chunk(len(order)), strict=True))

    def _student(self, images: Tensor, **groups: int) -> Tensor:
        if self.norm.kind == "shuffle":
            return in_groups(self.student, images, self.norm.group)
        return cast(Tensor, self.student(images, **groups))

    def _teacher(self, drawn: list[Tensor], images: Tensor, **groups: int) -> Tensor:
        if self.norm.kind == "shuffle":
            return shuffled(self.teacher, images, self.norm.group, drawn.pop(0), drawn.pop(0))
        return cast(Tensor, self.teacher(images, **groups))

    def averaged(self) -> tuple[list[Tensor], list[Tensor]]:
        """(teacher's, student's) parameters in the same order: backbone and projectors; predictors have no teacher."""
        pairs: list[tuple[nn.Module, nn.Module]] = [(self.teacher, self.student)]
        pairs += [pair for branch in self._branches() for pair in branch.averaged()]
        return (
            [parameter for target, _ in pairs for parameter in target.parameters()],
            [parameter for _, source in pairs for parameter in source.parameters()],
        )

    @property
    def capturable(self) -> bool:
        """Whether a forward pass can be recorded as a CUDA graph: see ``Branch.capturable``."""
        return world() == 1 and all(branch.capturable for branch in self._branches())

    def remembered(self) -> list[Callable[[], None]]:
        """See ``Branch.remembered``."""
        return [branch.remembered() for branch in self._branches()]

    def start_epoch(self, epoch: int) -> None:
        """Before the first step of an epoch, counted from 0."""
        for branch in self._branches():
            branch.start_epoch(epoch)

    @torch.no_grad()
    def end_step(self, momentum: float, view: int) -> None:
        """After the optimiser: move the teacher (``m θ_k + (1 − m) θ_q``) and enqueue the keys of ``view``."""
        self._averaged = self._averaged or self.averaged()  # walking through all modules takes longer than the sum
        teacher, student = self._averaged
        torch._foreach_lerp_(teacher, student, 1 - momentum)
        for branch in self._branches():
            branch.end_step(view)


def feature_std(pooled: Tensor) -> Tensor:
    """How far features are from collapse: 1 for isotropic unit vectors, 0 when all images give one direction.

    The mean over channels of the standard deviation over the batch of l2-normalised features, times √C
    (Chen and He, SimSiam, sec. 4.1).
    """
    unit = F.normalize(pooled, dim=1)
    return cast(Tensor, unit.std(0).mean() * unit.shape[1] ** 0.5)
