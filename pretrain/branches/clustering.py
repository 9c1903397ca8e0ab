"""K-means over the cells of every image of a batch, without a random number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def kmeans(vectors: Tensor, clusters: int, iterations: int) -> Tensor:
    """Lloyd's algorithm, image by image, from centres that lie far apart.

    Starts from ``spread_centres``. A cluster that loses its last cell keeps its centre; where an image has fewer
    distinct vectors than clusters, some clusters stay empty. Equal distances go to the lowest cluster.

    Args:
        vectors: (B, N, C), N at least ``clusters``.
        clusters: K.
        iterations: how often the centres move; the cells are assigned once more after the last.

    Returns:
        (B, N) cluster of each cell, in [0, K).
    """
    centres = spread_centres(vectors, clusters)
    for _ in range(iterations):
        members = F.one_hot(assign(vectors, centres), clusters).to(vectors.dtype)
        counts = members.sum(1).unsqueeze(2)
        means = members.transpose(1, 2) @ vectors / counts.clamp_min(1)
        centres = torch.where(counts > 0, means, centres)
    return assign(vectors, centres)


def assign(vectors: Tensor, centres: Tensor) -> Tensor:
    """The nearest of (B, K, C) centres for each of (B, N, C) vectors, the lowest of equals: (B, N)."""
    # |v − c|² less |v|², which is the same for all centres.
    return (centres.square().sum(2).unsqueeze(1) - 2 * vectors @ centres.transpose(1, 2)).argmin(2)


def spread_centres(vectors: Tensor, clusters: int) -> Tensor:
    """Farthest-point rule: first the vector farthest from the image's mean, then always the one farthest from all
    chosen so far; the first of equals.

    Args:
        vectors: (B, N, C).
        clusters: K.

    Returns:
        (B, K, C): K of the vectors.
    """
    gap = _distance(vectors, vectors.mean(1, keepdim=True))
    centres = []
    for number in range(clusters):
        index = gap.argmax(1).view(-1, 1, 1).expand(-1, 1, vectors.shape[2])
        centres.append(vectors.gather(1, index))
        distance = _distance(vectors, centres[-1])
        gap = distance if number == 0 else torch.minimum(gap, distance)
    return torch.cat(centres, 1)


def _distance(vectors: Tensor, point: Tensor) -> Tensor:
    """Of (B, N, C) vectors from a (B, 1, C) point: (B, N), exactly 0 between equals."""
    return torch.cdist(vectors, point, compute_mode="donot_use_mm_for_euclid_dist").squeeze(2)
