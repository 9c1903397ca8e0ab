"""Semantic reweighting of cells, and the weighted mean over groups of images."""

from __future__ import annotations

from torch import Tensor

from ground.distributed import group_sum, world

EPSILON = 1e-6


def semantic_weights(similarity: Tensor, in_box: Tensor, power: float) -> Tensor:
    """Weights of query cells by their matched similarity (PixCon pixcon.py ``calc_dense_loss``; methods.md 5.3).

    Inside the views' intersection a cell weighs 1. Outside, ``((s − min) / (max − min)) ** power`` with the minimum
    over all cells of the image and the maximum over those outside.

    Args:
        similarity: (B, N) cosine of each query cell with its match.
        in_box: (B, N) whether the other view sees the cell.
        power: the exponent.

    Returns:
        (B, N) weights in [0, 1], no gradient. Where all outside similarities equal the minimum the released formula is
        0 / 0; here such cells weigh 0.
    """
    similarity = similarity.detach()
    low = similarity.amin(1, keepdim=True)
    high = similarity.masked_fill(in_box, -2.0).amax(1, keepdim=True)
    scaled = (similarity - low) / (high - low).clamp_min(EPSILON)
    return scaled.clamp(0, 1).pow(power).masked_fill(in_box, 1.0)


def weighted_mean(losses: Tensor, weights: Tensor, group: int) -> Tensor:
    """``Σ w l / Σ w`` over groups of ``group`` images, averaged over the groups; a group without weight gives 0.

    The released code takes the ratio per GPU, over 128 images; here the group keeps its size whatever the processes.
    Where a group spans processes each returns its part, scaled so that the mean over processes (which is what
    DistributedDataParallel takes of gradients) is the value of one process with the whole batch.

    Args:
        losses: (B, N).
        weights: (B, N), no gradient.
        group: images; divides B, or is a multiple of B.
    """
    images = losses.shape[0]
    if images >= group:
        numerators = (losses * weights).view(-1, group * losses.shape[1]).sum(1)
        return (numerators / weights.view(-1, group * losses.shape[1]).sum(1).clamp_min(EPSILON)).mean()
    group = min(group, images * world())
    total = group_sum(weights.sum().view(1), images, group)
    return ((losses * weights).sum() / total.clamp_min(EPSILON)).sum() * (group // images)
