"""Cells grouped by prototypes into slots, and what two groupings of the same cells differ by (SlotCon).

Formulas: CVMI-Lab/SlotCon models/slotcon.py ``SemanticGrouping``, ``self_distill``, ``ctr_loss_filtered``;
methods.md 8.2. B images, N cells, K prototypes, D channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-6
"""Added to every assignment, so that a prototype far from all cells still has a slot."""


@dataclass
class Grouped:
    """One view grouped.

    ``dots`` (B, N, K): cosine of each cell with each prototype, without temperature. ``slots`` (B, K, D): for each
    prototype the mean of the raw cells, weighted by their assignment to it. ``active`` bool (B, K): whether the
    prototype is some cell's nearest.
    """

    dots: Tensor
    slots: Tensor
    active: Tensor


def group(cells: Tensor, prototypes: Tensor, temperature: float) -> Grouped:
    """Group the projected ``cells`` (B, N, D), which need no unit norm, by ``prototypes`` (K, D)."""
    dots = F.normalize(cells, dim=2) @ F.normalize(prototypes, dim=1).T
    assigned = assignment(dots, temperature)
    slots = (assigned / assigned.sum(1, keepdim=True)).transpose(1, 2) @ cells
    nearest = dots.detach().argmax(2)
    active = torch.zeros_like(slots[..., 0]).scatter(1, nearest, 1.0).bool()
    return Grouped(dots, slots, active)


def assignment(dots: Tensor, temperature: float) -> Tensor:
    """``softmax over prototypes (dots / T) + ε``: (B, N, K)."""
    return (dots / temperature).softmax(2) + EPSILON


def disagreement(
    student: Tensor, teacher: Tensor, centre: Tensor, student_temperature: float, teacher_temperature: float
) -> Tensor:
    """Cross entropy of the student's assignment under the teacher's, cell by cell: (B, N).

    Args:
        student: dots (B, N, K).
        teacher: dots (B, N, K) of the matching cells, without gradient.
        centre: (K,), taken off the teacher's dots so that no prototype takes all cells (DINO).
        student_temperature: of the student's assignment.
        teacher_temperature: of the teacher's.
    """
    target = ((teacher - centre) / teacher_temperature).softmax(2)
    return -(target * (student / student_temperature).log_softmax(2)).sum(2)


def slot_infonce(predicted: Tensor, keys: Tensor, own: Tensor, temperature: float) -> Tensor:
    """InfoNCE of slots among slots: (M,), each query against all J keys.

    Args:
        predicted: (M, D).
        keys: (J, D), without gradient.
        own: (M,), the key of the same image and prototype, which is the positive.
        temperature: of the logits.
    """
    logits = F.normalize(predicted, dim=1) @ F.normalize(keys, dim=1).T / temperature
    return F.cross_entropy(logits, own, reduction="none")
