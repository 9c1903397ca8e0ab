"""DetCon-B: contrast of mask-pooled vectors (google-deepmind/detcon utils/losses.py, detcon_b.py)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ground.distributed import gather, rank

LEFT_OUT = -1e9
"""The logit of what is no key, as released."""


def detcon_loss(
    predictions: Tensor, own: Tensor, other: Tensor, own_ids: Tensor, other_ids: Tensor, temperature: float
) -> Tensor:
    """One direction of ``byol_nce_detcon``: the masks of one view against the target's masks of both views.

    Positives of a mask are the masks of the same image and id in the other view, in equal parts. Masks of the same
    image and id in its own view are left out of the denominator; all other masks of all images, on every process, are
    negatives. A mask counts 1 over its number in its view, and not at all without a positive; the mean is over all.

    Args:
        predictions: (B, n, D) of the view's sampled masks; the only input that gets a gradient.
        own: (B, n, D) target projections of the same masks.
        other: (B, n, D) target projections of the other view's masks.
        own_ids: (B, n) mask ids of ``predictions`` and ``own``.
        other_ids: (B, n) mask ids of ``other``.
        temperature: T.

    Returns:
        A scalar, in single precision.
    """
    batch, count, size = predictions.shape
    with torch.autocast(predictions.device.type, enabled=False):
        queries = F.normalize(predictions.float(), dim=2) / temperature
        own, other = F.normalize(own.float(), dim=2).detach(), F.normalize(other.float(), dim=2).detach()
        across = queries.flatten(0, 1) @ gather(other).view(-1, size).T
        within = queries.flatten(0, 1) @ gather(own).view(-1, size).T
        within = within.masked_fill(_own_copies(own_ids, within.shape[1]), LEFT_OUT)
        normaliser = torch.logaddexp(across.logsumexp(1), within.logsumexp(1)).view(batch, count)
        positive = (own_ids.unsqueeze(2) == other_ids.unsqueeze(1)).float()
        number = positive.sum(2)
        attraction = (positive * (queries @ other.transpose(1, 2))).sum(2) / number.clamp_min(1)
        copies = (own_ids.unsqueeze(2) == own_ids.unsqueeze(1)).float().sum(2)
        return ((number > 0) / copies * (normaliser - attraction)).mean()


def _own_copies(ids: Tensor, keys: int) -> Tensor:
    """Which of all processes' keys have the image and id of a query: (B·n, keys), from the ids (B, n) of this one."""
    batch, count = ids.shape
    same = ids.unsqueeze(2) == ids.unsqueeze(1)
    image = torch.arange(batch, device=ids.device)
    mask = ids.new_zeros((batch, count, keys // count, count), dtype=torch.bool)
    mask[image, :, rank() * batch + image] = same
    return mask.view(batch * count, keys)


def choose_masks(labels: Tensor, classes: int, uniform: Tensor) -> Tensor:
    """Mask ids drawn with replacement, all that have a cell being equally likely (``sample_masks``).

    Args:
        labels: (B, N) mask id of each cell.
        classes: number of ids.
        uniform: (B, n) in [0, 1).

    Returns:
        (B, n) ids.
    """
    present = F.one_hot(labels, classes).sum(1) > 0
    # The stable sort puts present ids first, in order.
    ids = present.logical_not().to(torch.uint8).argsort(dim=1, stable=True)
    count = present.sum(1, keepdim=True)
    place = torch.minimum((uniform * count).long(), count - 1)
    return ids.gather(1, place)


def pool_masks(cells: Tensor, labels: Tensor, ids: Tensor) -> Tensor:
    """The mean of the cells of each chosen mask: cells (B, N, C), labels (B, N), ids (B, n) → (B, n, C)."""
    masks = (labels.unsqueeze(1) == ids.unsqueeze(2)).float()
    with torch.autocast(cells.device.type, enabled=False):
        return masks @ cells.float() / masks.sum(2, keepdim=True).clamp_min(1)
