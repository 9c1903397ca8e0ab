"""What a recipe costs an image, before anything ran. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from pretrain.config import PretrainConfig

SIDE = 224
"""Pixels of the image whose pass through the recipe's backbone is one."""


@dataclass(frozen=True)
class Passes:
    """Passes of an image through the backbone, in passes of a 224-pixel image: a view counts by its area.

    ``student``: with gradient. ``teacher``: without, of the teacher and of any other network.
    """

    student: float
    teacher: float

    @property
    def forwards(self) -> float:
        """All in forward passes: one with gradient counts three, as going back costs twice going forth."""
        return 3 * self.student + self.teacher


def passes(config: PretrainConfig) -> Passes:
    """The backbone passes of one image in one epoch (methods.md D).

    Heads, queues and what the recipe rests on (``inputs``) do not count.
    """
    sizes = [config.views.size] * 2 + (config.views.extra.sizes if config.views.extra else [])
    student: set[int] = set()
    teacher: set[int] = set()
    for branch in config.model.branches.values():
        of_student, of_teacher = branch.passes(config.model.symmetric, len(sizes))
        student |= of_student
        teacher |= of_teacher
    areas = [(size / SIDE) ** 2 for size in sizes]
    return Passes(sum(areas[view] for view in student), sum(areas[view] for view in teacher))
