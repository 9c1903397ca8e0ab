"""Which of the faster ways a model takes."""

from __future__ import annotations

import importlib.util

from ground.distributed import world
from pretrain.branches.image import ImageContrastBranch
from pretrain.branches.pixel import PixelContrastBranch
from pretrain.config import Fast
from pretrain.model.heads import Perceptron
from pretrain.model.student_teacher import FeatureMap, StudentTeacher

TRITON = importlib.util.find_spec("triton") is not None


def use_fast_paths(model: StudentTeacher, fast: Fast) -> None:
    """Set a model on CUDA up as ``fast`` says."""
    norms = fast.norms and world() == 1 and TRITON
    for module in model.modules():
        if isinstance(module, FeatureMap | Perceptron):
            module.fused = norms
        if isinstance(module, FeatureMap):
            module.recompute = fast.recompute
        if isinstance(module, ImageContrastBranch | PixelContrastBranch):
            module.fused = fast.infonce and TRITON
    model.stack = norms and fast.stack
