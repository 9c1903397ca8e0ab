"""Two views' maps brought to the same image locations: the inverse augmentation of SlotCon."""

from __future__ import annotations

import torch
from torch import Tensor


def aligned(maps: Tensor, overlap: Tensor, mirrored: Tensor) -> Tensor:
    """The part of a view's maps that the other view sees, resampled to the same number of cells and un-mirrored.

    After this a cell of both views is the same place of the image (CVMI-Lab/SlotCon models/slotcon.py ``invaug``;
    methods.md B.4). There it is RoIAlign with half-pixel offsets. A box no larger than the map gets one sample a cell,
    at the cell's centre, so RoIAlign is bilinear sampling, and that is a product of one matrix an axis: the same
    numbers, with a gradient that is deterministic on every device.

    Args:
        maps: (B, C, H, W), of the view as shown.
        overlap: (B, 4), the views' intersection (x1, y1, x2, y2) in [0, 1] of the view before it is mirrored.
        mirrored: bool (B,).

    Returns:
        (B, C, H, W); zeros where the intersection is empty, as RoIAlign gives.
    """
    rows = _sampling(overlap[:, 1], overlap[:, 3], maps.shape[2])
    columns = _sampling(overlap[:, 0], overlap[:, 2], maps.shape[3])
    # A mirrored view is read from right to left: the same as mirroring it back first.
    columns = torch.where(mirrored.view(-1, 1, 1), columns.flip(2), columns)
    return rows.unsqueeze(1) @ maps @ columns.transpose(1, 2).unsqueeze(1)


def _sampling(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Linear interpolation along one axis at ``cells`` equal steps from ``low`` to ``high``: (B, cells, cells).

    Row p holds the weights of the map's cells at the centre of step p; beyond the outermost centres their value goes
    on. ``low`` and ``high`` (B,) lie in [0, 1]; where they are equal all weights are 0.
    """
    steps = torch.arange(cells, device=low.device, dtype=low.dtype)
    extent = (high - low).unsqueeze(1)
    at = low.unsqueeze(1) * cells - 0.5 + (steps + 0.5) * extent
    weights = 1 - (at.clamp(0, cells - 1).unsqueeze(2) - steps).abs()
    return weights.clamp_min(0) * (extent > 0).unsqueeze(2)
