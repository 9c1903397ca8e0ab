"""Entropic optimal transport between small sets, by Sinkhorn's iterations in the log domain."""

from __future__ import annotations

import torch
from torch import Tensor

from pretrain.branch_config import Transport


def sinkhorn(cost: Tensor, rows: Tensor, columns: Tensor, settings: Transport) -> Tensor:
    """The plan that moves ``rows`` to ``columns`` at least cost, less ε times its entropy; no gradient.

    ``u ← ε log r − ε lse_n((v − C) / ε)`` and likewise ``v``, in turns (Cuturi 2013; OTA, Ge et al. 2021). After the
    last one the columns are met exactly, the rows nearly. A weight of 0 is met exactly, too.

    Args:
        cost: (B, M, N).
        rows: (B, M), not negative, of sum 1.
        columns: (B, N), likewise.
        settings: ε, in the unit of ``cost``, and how often rows and columns are met in turns.

    Returns:
        (B, M, N), not negative, of sum 1, in single precision.
    """
    with torch.no_grad(), torch.autocast(cost.device.type, enabled=False):
        negative = -cost.float() / settings.epsilon
        log_rows, log_columns = rows.float().log(), columns.float().log()
        v = torch.zeros_like(log_columns)
        for _ in range(settings.iterations):
            u = log_rows - (negative + v.unsqueeze(1)).logsumexp(2)
            v = log_columns - (negative + u.unsqueeze(2)).logsumexp(1)
        return (negative + u.unsqueeze(2) + v.unsqueeze(1)).exp()


def shares(weights: Tensor) -> Tensor:
    """(B, M) weights, not negative, over their sum; equal shares where all are 0."""
    total = weights.sum(1, keepdim=True)
    return torch.where(total > 0, weights / total.clamp_min(torch.finfo(weights.dtype).tiny), 1 / weights.shape[1])
