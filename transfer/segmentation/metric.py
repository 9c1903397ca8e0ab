"""Mean intersection over union, as mmsegmentation counts it and before it rounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from torch import Tensor

Areas = tuple[Tensor, Tensor, Tensor, Tensor]
"""Pixels of each class (classes,): intersection, union, predicted, labelled."""


@METRICS.register_module()
class MeanIoU(IoUMetric):
    """mmsegmentation's metric with the value that its two decimals come from, and what that comes from."""

    def compute_metrics(self, results: list[Areas]) -> dict[str, Any]:
        """``mIoU`` in percent, NaN if no pixel is labelled; ``classes``: name, IoU, intersection and union of each.

        The areas are pixel counts, summed over the images; a class that is neither predicted nor labelled anywhere has
        no IoU and no part in the mean.
        """
        super().compute_metrics(results)  # its table goes into the log
        both, either = (torch.stack(areas).double().sum(0).numpy() for areas in list(zip(*results, strict=True))[:2])
        present = either > 0
        ious = 100 * both[present] / either[present]
        found = iter(ious.tolist())
        rows = zip(self.dataset_meta["classes"], both.tolist(), either.tolist(), strict=True)
        classes = [
            {"class": name, "IoU": next(found) if union else None, "intersection": int(part), "union": int(union)}
            for name, part, union in rows
        ]
        return {"mIoU": float(np.mean(ious)) if present.any() else float("nan"), "classes": classes}
