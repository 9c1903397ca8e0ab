"""Branch configurations → branch modules. A new idea is one configuration class and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pretrain.branch_config import AnyBranch
from pretrain.branches.base import Branch
from pretrain.branches.image import ImageContrastBranch, ImageRegressionBranch
from pretrain.branches.object_masks import ObjectMasksBranch
from pretrain.branches.object_pairs import ObjectPairsBranch
from pretrain.branches.pixel import PixelContrastBranch
from pretrain.branches.propagation import PixelPropagationBranch
from pretrain.branches.scene_instances import SceneInstancesBranch
from pretrain.branches.semantic_grouping import SemanticGroupingBranch

_BRANCHES: dict[str, Callable[[int, Any], Branch]] = {
    "image_contrast": ImageContrastBranch,
    "image_regression": ImageRegressionBranch,
    "object_masks": ObjectMasksBranch,
    "object_pairs": ObjectPairsBranch,
    "pixel_contrast": PixelContrastBranch,
    "pixel_propagation": PixelPropagationBranch,
    "scene_instances": SceneInstancesBranch,
    "semantic_grouping": SemanticGroupingBranch,
}


def build_branch(channels: int, config: AnyBranch) -> Branch:
    """The module of a branch on backbone features with ``channels`` channels."""
    return _BRANCHES[config.kind](channels, config)
