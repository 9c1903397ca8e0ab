"""View settings → what lays out a sample's views."""

from __future__ import annotations

from pathlib import Path

from pretrain.view_config import InstanceViews, ObjectPairViews, Spanning, Views
from pretrain.views.instances import InstancesLayout
from pretrain.views.layout import Layout, TwoCrops
from pretrain.views.object_pairs import ObjectPairsLayout
from pretrain.views.spanning import TwoCropsAndSpan


def build_layout(views: Views, inputs: dict[str, Path]) -> Layout:
    """The layout that the settings ask for.

    Args:
        views: the recipe's settings.
        inputs: run directories of the jobs that the recipe rests on, by role.
    """
    if isinstance(views.extra, Spanning):
        return TwoCropsAndSpan(views, views.extra, inputs)
    if isinstance(views.extra, ObjectPairViews):
        return ObjectPairsLayout(views, views.extra, inputs)
    if isinstance(views.extra, InstanceViews):
        return InstancesLayout(views, views.extra, inputs)
    return TwoCrops(views, inputs)
