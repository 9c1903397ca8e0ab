"""One fine-tuning run of a detector: labels in, metrics out."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from ground.files import storage_errors, write_text
from ground.progress import Report
from transfer.detection_config import DetectionTask
from transfer.layouts.record import Labels


def run(
    config: DetectionTask, *, tool: str, seed: int, weights: Path, data: Path, out: Path, report: Report
) -> dict[str, float]:
    """Fine-tune on the task's training lists and measure the last iteration on its test list.

    Args:
        config: the task.
        tool: ``"torchvision"`` or ``"detectron2"``, as `transfer.tool.choose` has it.
        seed: decides the heads' initial values, the order of images, their augmentation and every sample drawn.
        weights: the pre-trained backbone, safetensors.
        data: the folder that holds ``VOC2007`` (or ``VOCdevkit``), or ``coco``.
        out: receives ``checkpoint.pt``, ``curves/`` and ``detections.json``. Called again on the same folder, the run
            goes on from its checkpoint and ends in the same bits.
        report: hears of every iteration and every test image.

    Returns:
        The task's metrics, in percent.

    Raises:
        UserError: labels, images or weights at fault, a loss that is not finite, a full disk.
    """
    labels: Labels = importlib.import_module(f"transfer.layouts.{config.layout}").load(config, data)
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    # Heavy, and of no use before the labels are in order.
    module = "detectron2.run" if tool == "detectron2" else "fine_tune"
    fine_tune = importlib.import_module(f"transfer.detection.{module}").fine_tune
    found = fine_tune(config, seed=seed, weights=weights, labels=labels, out=out, report=report)
    evaluator = importlib.import_module(f"transfer.evaluators.{config.layout}")
    lines = [json.dumps(row) for row in evaluator.rows(labels, found)]
    write_text(out / "detections.json", "[\n" + ",\n".join(lines) + "\n]\n")
    metrics: dict[str, float] = evaluator.measure(config, labels, found)
    return metrics
