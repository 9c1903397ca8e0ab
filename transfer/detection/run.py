"""One fine-tuning run of a detector: labels in, metrics out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ground.files import storage_errors, write_text
from ground.progress import Report
from transfer.detection_config import DetectionTask
from transfer.layouts import voc

if TYPE_CHECKING:
    from transfer.evaluators.voc import Detections


def run(
    config: DetectionTask, *, tool: str, seed: int, weights: Path, data: Path, out: Path, report: Report
) -> dict[str, float]:
    """Fine-tune on the task's training lists and measure the last iteration on its test list.

    Args:
        config: the task.
        tool: ``"torchvision"`` or ``"detectron2"``, as `transfer.tool.choose` has it.
        seed: decides the heads' initial values, the order of images, their augmentation and every sample drawn.
        weights: the pre-trained backbone, safetensors.
        data: the folder that holds ``VOC2007`` (or ``VOCdevkit``).
        out: receives ``checkpoint.pt``, ``curves/`` and ``detections.json``. Called again on the same folder, the run
            goes on from its checkpoint and ends in the same bits.
        report: hears of every iteration and every test image.

    Returns:
        AP, AP50 and AP75 in percent.

    Raises:
        UserError: labels, images or weights at fault, a loss that is not finite, a full disk.
    """
    train, test = voc.load(config, data)
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    # Heavy, and of no use before the labels are in order.
    from transfer.detection.fine_tune import fine_tune
    from transfer.evaluators.voc import evaluate

    found = fine_tune(config, tool=tool, seed=seed, weights=weights, train=train, test=test, out=out, report=report)
    _write(out / "detections.json", test, found)
    return evaluate(test, found, eleven_point=config.sets.test.startswith("VOC2007/"))


def _write(path: Path, test: list[voc.Labelled], found: Detections) -> None:
    """One line a detection: image, class, score, x0, y0, x1, y1 (0-based); nine digits hold a float32 whole."""
    rows = zip(found.image.tolist(), found.label.tolist(), found.score.tolist(), found.box.tolist(), strict=True)
    lines = [
        json.dumps([test[image].name, voc.CLASSES[label], *(float(f"{number:.9g}") for number in (score, *box))])
        for image, label, score, box in rows
    ]
    write_text(path, "[\n" + ",\n".join(lines) + "\n]\n")
