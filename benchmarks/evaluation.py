"""COCO evaluation: ours beside pycocotools, on the same invented detections."""

from __future__ import annotations

import contextlib
import io
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.base import Options, Section, alternately, ratio
from transfer.evaluators import coco
from transfer.evaluators.coco import Row
from transfer.layouts.coco import Annotated
from transfer.layouts.coco_annotations import Annotation
from transfer.layouts.record import Category

CLASSES = 80
SIDE = 320


def measure(options: Options) -> Section:
    """Boxes and masks, in turn with pycocotools."""
    images, each = (4, 4) if options.size == "toy" else (1000, 40)
    columns = ("what", "images", "detections", "ours, s", "pycocotools, s", "times as fast", "largest difference of AP")
    section = options.begin("evaluation", "COCO evaluation", columns)
    section.notes.append("Objects and detections are invented; both read them from memory. One thread.")
    kinds: tuple[Literal["bbox", "segm"], ...] = ("bbox", "segm")
    for kind in kinds:
        count = images if kind == "bbox" else max(images // 5, 2)
        objects, results = invented(count, each)
        ours, theirs = _ours(objects, results, kind), _theirs(objects, results, kind)
        gap = max(abs(a - b) for a, b in zip(ours(), theirs(), strict=True))
        found = alternately({"ours": ours, "theirs": theirs}, min(options.repeats, 3))
        section.rows.append({
            "what": {"bbox": "boxes", "segm": "masks"}[kind], "images": count, "detections": len(results),
            "ours, s": found["ours"], "pycocotools, s": found["theirs"],
            "times as fast": ratio(found["theirs"], found["ours"]), "largest difference of AP": f"{gap:.2g}",
        })  # fmt: skip
    return section


def invented(images: int, each: int) -> tuple[list[Annotated], list[Row]]:
    """Seven objects an image and ``each`` detections, most of them near one, boxes and masks."""
    random = np.random.default_rng(0)
    truth, results = [], []
    for number in range(1, images + 1):
        corners, sides = random.uniform(0, SIDE / 2, (7, 2)), random.uniform(8, SIDE / 2, (7, 2))
        labels = random.integers(0, CLASSES, 7)
        boxes = np.concatenate([corners, sides], 1)
        objects = tuple(_object(label, box) for label, box in zip(labels.tolist(), boxes.tolist(), strict=True))
        truth.append(Annotated(str(number), Path(f"{number}.jpg"), SIDE, SIDE, tuple(labels.tolist()), number, objects))
        for of in random.integers(0, 7, each).tolist():
            x, y, w, h = np.clip(boxes[of] + random.normal(0, random.choice([1, 5, 15]), 4), 1, SIDE).tolist()
            label = int(labels[of]) if random.random() < 0.7 else int(random.integers(0, CLASSES))
            mask = masks.merge(masks.frPyObjects([_diamond(x, y, w, h)], SIDE, SIDE))
            results.append({
                "image_id": number, "category_id": label + 1, "bbox": [x, y, w, h], "score": random.random(),
                "segmentation": {"size": mask["size"], "counts": mask["counts"].decode()},
            })  # fmt: skip
    return truth, results


def _object(label: int, box: list[float]) -> Annotation:
    x, y, w, h = box
    ring = array("d", _diamond(x, y, w, h))
    return Annotation(number=0, label=label, box=(x, y, w, h), area=w * h / 2, crowd=False, polygons=(ring,), runs=None)


def _diamond(x: float, y: float, w: float, h: float) -> list[float]:
    return [x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2]


def _ours(images: list[Annotated], results: list[Row], kind: Literal["bbox", "segm"]) -> Callable[[], list[float]]:
    classes = [Category(number, str(number)) for number in range(1, CLASSES + 1)]

    def work() -> list[float]:
        return list(_silent(lambda: coco.evaluate(images, classes, results, kind)).values())

    return work


def _theirs(images: list[Annotated], results: list[Row], kind: str) -> Callable[[], list[float]]:
    unwanted = {"bbox": "segmentation", "segm": "bbox"}[kind]
    written = [{name: value for name, value in row.items() if name != unwanted} for row in results]
    listed = [
        {
            "image_id": image.number, "category_id": item.label + 1, "bbox": list(item.box), "area": item.area,
            "iscrowd": 0, "segmentation": [list(ring) for ring in item.polygons or ()],
        }
        for image in images for item in image.objects
    ]  # fmt: skip
    content = {
        "images": [{"id": image.number, "height": SIDE, "width": SIDE} for image in images],
        "categories": [{"id": number, "name": str(number)} for number in range(1, CLASSES + 1)],
    }

    def work() -> list[float]:
        truth = COCO()
        truth.dataset = {**content, "annotations": [{"id": at, **item} for at, item in enumerate(listed, 1)]}
        truth.createIndex()
        counted = COCOeval(truth, truth.loadRes([dict(row) for row in written]), kind)
        for stage in (counted.evaluate, counted.accumulate, counted.summarize):
            stage()
        return [100 * float(share) for share in counted.stats[:3]]

    return lambda: _silent(work)


def _silent(work: Callable[[], Any]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return work()
