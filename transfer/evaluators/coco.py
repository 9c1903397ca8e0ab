"""COCO average precision of boxes and masks, counted by faster-coco-eval: pycocotools' numbers, computed in C++.

What detectron2's ``COCOEvaluator`` hands to pycocotools is handed on here: boxes as x, y, width, height, areas of masks
for masks, of boxes for boxes, 100 detections an image at most. Two things are mended:

- pycocotools takes an object of id 0 for none at all; objects are numbered from 1 here;
- without a single detection it fails; here every average precision is then 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

from faster_coco_eval import COCO, COCOeval_faster

from transfer.detection_config import DetectionTask
from transfer.evaluators.detections import Detections, short
from transfer.layouts.coco import Annotated
from transfer.layouts.record import Category, Labels

Row = dict[str, Any]
"""One detection in COCO's format of results."""
NAMES = ("AP", "AP50", "AP75")
"""The first three of the evaluator's numbers."""


def measure(config: DetectionTask, labels: Labels, found: Detections) -> dict[str, float]:
    """A task's metrics: ``box_AP`` and so on, and ``mask_AP`` and so on of a detector that finds masks."""
    images, results = cast("Sequence[Annotated]", labels.test), rows(labels, found)
    metrics = evaluate(images, labels.classes, results, "bbox")
    if config.model.kind == "mask_rcnn_fpn":
        metrics |= evaluate(images, labels.classes, results, "segm")
    return metrics


def rows(labels: Labels, found: Detections) -> list[Row]:
    """One for each detection, as COCO's own tools read it: ids of image and category, box, score, mask."""
    images = cast("Sequence[Annotated]", labels.test)
    results: list[Row] = []
    columns = zip(found.image.tolist(), found.label.tolist(), found.score.tolist(), found.box, strict=True)
    for place, (image, label, score, (left, top, right, bottom)) in enumerate(columns):
        box = [short(float(number)) for number in (left, top, right - left, bottom - top)]
        row = {"image_id": images[image].number, "category_id": labels.classes[label].number}
        mask = {"segmentation": found.mask[place]} if found.mask else {}
        results.append({**row, "bbox": box, "score": short(score), **mask})
    return results


def evaluate(
    images: Sequence[Annotated], classes: Sequence[Category], results: Sequence[Row], kind: Literal["bbox", "segm"]
) -> dict[str, float]:
    """AP (mean over overlaps .50:.05:.95), AP50 and AP75 in percent, each the mean over the classes that have objects.

    Args:
        images: the test list with its objects, crowds among them.
        classes: of objects and results.
        results: the detections.
        kind: boxes or masks.

    Returns:
        ``box_AP`` … or ``mask_AP`` …; NaN if no image has an object that is no crowd: pycocotools writes -1 for that.
    """
    truth = COCO(_truth(images, classes))
    unwanted = {"bbox": "segmentation", "segm": "bbox"}[kind]  # its area would be taken for the other's
    found = truth.loadRes([{k: v for k, v in row.items() if k != unwanted} for row in results])
    counted = COCOeval_faster(truth, found, kind)
    counted.evaluate()
    counted.accumulate()
    counted.summarize()
    word = {"bbox": "box", "segm": "mask"}[kind]
    shares = [float(share) for share in counted.stats[:3]]
    return {
        f"{word}_{name}": 100 * share if share >= 0 else math.nan for name, share in zip(NAMES, shares, strict=True)
    }


def _truth(images: Sequence[Annotated], classes: Sequence[Category]) -> Row:
    """Images and objects as COCO's annotation file has them."""
    annotations: list[Row] = []
    for image in images:
        for item in image.objects:
            polygons = None if item.polygons is None else [ring.tolist() for ring in item.polygons]
            mask = polygons if item.runs is None else dict(item.runs)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image.number,
                    "category_id": classes[item.label].number,
                    "bbox": list(item.box),
                    "area": item.area,
                    "iscrowd": int(item.crowd),
                    **({} if mask is None else {"segmentation": mask}),
                }
            )
    return {
        "images": [{"id": image.number, "height": image.height, "width": image.width} for image in images],
        "categories": [{"id": category.number, "name": category.name} for category in classes],
        "annotations": annotations,
    }
