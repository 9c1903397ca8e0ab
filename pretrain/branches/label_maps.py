"""A label map of one view, as another view of the same image sees it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def transfer_labels(labels: Tensor, source_box: Tensor, target_box: Tensor, grid: int, classes: int) -> Tensor:
    """For each cell of the target view the label that covers most of its area, the lowest of equals.

    This is what google-deepmind/detcon does to pixel masks (detcon_b.py ``create_binary_mask``), for masks that are
    constant on the source's cells: no mask is ever drawn in pixels.

    Args:
        labels: (B, S, S) of the source view's cells, in [0, classes).
        source_box: signed boxes (B, 4) of the source view in image pixels.
        target_box: those of the target view; the source covers it.
        grid: cells a side of the target view, G.
        classes: number of labels.

    Returns:
        (B, G, G) labels of the target's cells.
    """
    source, target = source_box.double(), target_box.double()
    across = shared_lengths(target[:, 0::2], source[:, 0::2], grid, labels.shape[2])
    down = shared_lengths(target[:, 1::2], source[:, 1::2], grid, labels.shape[1])
    votes = F.one_hot(labels, classes).to(source.dtype)
    return torch.einsum("brh,bhwk,bcw->brck", down, votes, across).argmax(3)


def shared_lengths(ends: Tensor, others: Tensor, bins: int, other_bins: int) -> Tensor:
    """How much of each bin of one interval lies in each bin of another.

    Args:
        ends: (B, 2) start and end of the interval that is cut into ``bins``; end before start numbers bins backwards.
        others: (B, 2), cut into ``other_bins``.
        bins: G.
        other_bins: S.

    Returns:
        (B, G, S), in the unit of ``ends``.
    """
    (low, high), (other_low, other_high) = _bins(ends, bins), _bins(others, other_bins)
    start = torch.maximum(low.unsqueeze(2), other_low.unsqueeze(1))
    return (torch.minimum(high.unsqueeze(2), other_high.unsqueeze(1)) - start).clamp_min(0)


def _bins(ends: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Lower and upper edges, both (B, count), of the bins in their order."""
    steps = torch.arange(count + 1, device=ends.device, dtype=ends.dtype)
    # Multiplied before divided: edges that are whole pixels stay whole.
    edges = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * steps / count
    return torch.minimum(edges[:, :-1], edges[:, 1:]), torch.maximum(edges[:, :-1], edges[:, 1:])
