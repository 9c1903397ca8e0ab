"""One fine-tuning run of a segmentation network: label maps in, mIoU out. Light until it runs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ground.errors import DataError
from ground.files import storage_errors, write_text
from ground.progress import Report
from transfer import data as data_sets
from transfer.segmentation_config import SegmentationTask


def run(
    config: SegmentationTask, *, tool: str, seed: int, weights: Path, data: Path, out: Path, report: Report
) -> dict[str, float]:
    """Fine-tune on the task's training sets and measure the last iteration on its test set.

    Args:
        config: the task.
        tool: ``"mmsegmentation"``.
        seed: decides the heads' initial values, the order of images, their augmentation and what dropout leaves out.
        weights: the pre-trained backbone, safetensors.
        data: the folder of the data sets.
        out: receives ``checkpoint.pt``, ``curves/``, ``iou.json`` and, in ``mmsegmentation/``, mmengine's own log and
            config. Called again on the same folder, the run goes on from its checkpoint and ends in the same bits.
        report: hears of every iteration and every test image.

    Returns:
        mIoU in percent, not rounded.

    Raises:
        UserError: labels, images or weights at fault, a loss that is not finite, a full disk.
    """
    data_sets.check(config, data)
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    # Heavy, and of no use before the labels are in order.
    from transfer.segmentation.fine_tune import fine_tune

    found = fine_tune(config, tool=tool, seed=seed, weights=weights, data=data, out=out, report=report)
    if math.isnan(found["mIoU"]):
        raise DataError(data, f"no pixel of {config.sets.test} is labelled", "Test on images that have labels.")
    _write(out / "iou.json", found["classes"])
    return {"mIoU": found["mIoU"]}


def _write(path: Path, classes: list[dict[str, Any]]) -> None:
    """A class a line: name, IoU in percent or null where no pixel has it, pixels of intersection and union."""
    write_text(path, "[\n" + ",\n".join(map(json.dumps, classes)) + "\n]\n")
