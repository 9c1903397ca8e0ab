"""UniVIP: two scenes, the instances that both hold, and what connects them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrain.branch_config import SceneInstances, Transport
from pretrain.branches.base import ProjectedBranch, Seen
from pretrain.branches.image import pool
from pretrain.branches.transport import shares, sinkhorn

SCENES = 2


class SceneInstancesBranch(ProjectedBranch):
    """Three terms between predictions of the student and projections of the teacher (UniVIP; methods.md 11).

    Scene to scene, as BYOL; the joined instances to both scenes; instances to instances under the plan of optimal
    transport. Views 2, 3, … are the instances; one projector and one predictor serve scenes and instances.
    """

    capturable = True

    def __init__(self, channels: int, config: SceneInstances) -> None:
        super().__init__(channels, config)
        self.terms, self.transport, self.instances = config.terms, config.transport, config.instances
        self.joined = nn.Linear(config.instances * config.predictor.out, config.projector.out)

    def views(self, symmetric: bool) -> tuple[set[int], set[int]]:
        """All, of both."""
        everything = set(range(SCENES + self.instances))
        return everything, everything

    def forward(self, seen: Seen) -> Tensor:
        """See ``Branch.forward``."""
        scenes, instances = self._heads(self.online, seen.student)
        target_scenes, target_instances = self._heads(self.momentum, seen.teacher)
        together = self.joined(instances.flatten(1)).float()
        scene = distance(scenes[0], target_scenes[1]) + distance(scenes[1], target_scenes[0])
        belonging = distance(together, target_scenes[0]) + distance(together, target_scenes[1])
        with torch.autocast(instances.device.type, enabled=False):
            moved = transported(instances, target_instances, scenes.mean(0), target_scenes.mean(0), self.transport)
        losses = (self.terms.scene * scene, self.terms.scene_instance * belonging, self.terms.instance * moved)
        return self.weight * torch.stack(losses).sum()

    def _heads(self, head: Callable[[Tensor], Tensor], maps: dict[int, Tensor]) -> tuple[Tensor, Tensor]:
        """``head`` of the pooled maps: of the scenes (2, B, D), each by itself, and of all instances at once (B, K, D).

        So batch norms see one scene, or all instances.
        """
        scenes = torch.stack([head(pool(maps[view])) for view in range(SCENES)]).float()
        pooled = torch.stack([pool(maps[SCENES + number]) for number in range(self.instances)], 1)
        return scenes, head(pooled.flatten(0, 1)).float().view(*pooled.shape[:2], -1)


def distance(predictions: Tensor, targets: Tensor) -> Tensor:
    """The mean of ``1 − cos`` over pairs of (B, D): the paper's ``− cos`` and a constant."""
    return (1 - F.cosine_similarity(predictions, targets, dim=1)).mean()


def transported(
    predictions: Tensor, targets: Tensor, scene_prediction: Tensor, scene_target: Tensor, transport: Transport
) -> Tensor:
    """``Σ_mn y_mn (1 − cos(o_m, t_n))``, the mean over images, y being the plan of least cost (no gradient).

    An instance weighs what it shares with the scenes as the other network sees them: ``b_m = max(o_m · f_t, 0)``,
    ``a_n = max(t_n · f_o, 0)``, each over its sum.

    Args:
        predictions: (B, K, D) of the instances, o.
        targets: (B, K, D) projections of the instances, t.
        scene_prediction: (B, D) mean over the scenes, f_o.
        scene_target: (B, D) likewise, f_t.
        transport: ε and the number of iterations.
    """
    cost = 1 - F.normalize(predictions, dim=2) @ F.normalize(targets, dim=2).transpose(1, 2)
    plan = sinkhorn(cost, *marginals(predictions, targets, scene_prediction, scene_target), transport)
    return (plan * cost).sum((1, 2)).mean()


def marginals(
    predictions: Tensor, targets: Tensor, scene_prediction: Tensor, scene_target: Tensor
) -> tuple[Tensor, Tensor]:
    """What each prediction gives and each target takes, (B, K) both, of sum 1; see ``transported``."""
    with torch.no_grad():
        gives = (predictions @ scene_target.unsqueeze(2)).squeeze(2).clamp_min(0)
        takes = (targets @ scene_prediction.unsqueeze(2)).squeeze(2).clamp_min(0)
        return shares(gives), shares(takes)
