"""PASCAL VOC average precision: the numbers of detectron2's ``PascalVOCDetectionEvaluator``, in array form.

What that evaluator does and this one keeps (detectron2 ``evaluation/pascal_voc_evaluation.py``):

- a detection is read back from text: score with 3 decimals, corners with 1, x0 and y0 moved to VOC's 1-based pixels;
- pixels are inclusive: a box is ``x1 - x0 + 1`` wide;
- a detection belongs to the object it overlaps most, and is right if that overlap *exceeds* the threshold and no
  better-scored detection has claimed it; the claimed one is not looked past;
- detections of difficult objects count neither way, difficult objects are not to be found;
- a class without objects counts as 0 by the 2007 metric; by the area metric it is 0 without detections, else NaN.

One thing differs: detections of equal (rounded) score keep the order they are given in. detectron2 leaves it to numpy's
unstable default sort, whose order of equals depends on the CPU; its numbers then vary from machine to machine: by up to
0.09 points on the 60 images of tests/transfer/fixtures/voc_ap.json, where every class has 21 scores at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from transfer.detection_config import DetectionTask
from transfer.evaluators.detections import Detections, short
from transfer.layouts.record import Labels
from transfer.layouts.voc import CLASSES, Labelled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
THRESHOLDS = np.arange(50, 100, 5) / 100.0


def measure(config: DetectionTask, labels: Labels, found: Detections) -> dict[str, float]:
    """A task's metrics, by the rules of the year that it is tested on: see `evaluate`."""
    images = cast("Sequence[Labelled]", labels.test)
    return evaluate(images, found, eleven_point=config.sets.test.startswith("VOC2007/"))


def rows(labels: Labels, found: Detections) -> list[list[object]]:
    """One for each detection: image, class, score, x0, y0, x1, y1 (0-based)."""
    columns = zip(found.image.tolist(), found.label.tolist(), found.score.tolist(), found.box.tolist(), strict=True)
    return [
        [labels.test[image].name, labels.classes[label].name, short(score), *map(short, box)]
        for image, label, score, box in columns
    ]


def evaluate(images: Sequence[Labelled], found: Detections, *, eleven_point: bool) -> dict[str, float]:
    """AP (mean over overlaps .50:.05:.95), AP50 and AP75 in percent, each the mean over the 20 classes.

    Args:
        images: the test list with its objects.
        found: the detections in it.
        eleven_point: VOC2007's interpolated metric; else the area under the curve (VOC2012's).
    """
    owner = np.repeat(np.arange(len(images)), [len(image.labels) for image in images])
    label = np.array([item for image in images for item in image.labels], dtype=np.int64)
    box = np.array([item for image in images for item in image.boxes], dtype=np.float64).reshape(-1, 4)
    difficult = np.array([item for image in images for item in image.difficult], dtype=bool)
    score, corners = _as_read_back(found)
    precisions = np.empty((len(THRESHOLDS), len(CLASSES)))
    for kind in range(len(CLASSES)):
        mine, theirs = label == kind, found.label == kind
        ranking = np.argsort(-score[theirs], kind="stable")
        place, corner = found.image[theirs][ranking], corners[theirs][ranking]
        overlap, best = _best_overlaps(place, corner, owner[mine], box[mine])
        for row, threshold in enumerate(THRESHOLDS):
            right, wrong = _judge(overlap > threshold, best, difficult[mine])
            precisions[row, kind] = _average_precision(right, wrong, int((~difficult[mine]).sum()), eleven_point) * 100
    by_overlap = [float(np.mean(row)) for row in precisions]
    return {"AP": float(np.mean(by_overlap)), "AP50": by_overlap[0], "AP75": by_overlap[5]}


def _as_read_back(found: Detections) -> tuple[Floats, Floats]:
    """Scores and 1-based corners after the text file. A float32 times 10 or 1000 is exact in float64, so this rounds
    like the text does."""
    corners = found.box + np.array([1, 1, 0, 0], dtype=np.float32)
    return np.rint(found.score.astype(np.float64) * 1000) / 1000, np.rint(corners.astype(np.float64) * 10) / 10


def _best_overlaps(place: Ints, corner: Floats, owner: Ints, box: Floats) -> tuple[Floats, Ints]:
    """For every detection (its image, its box) the greatest overlap with an object of that image, and which object.

    Objects are sorted by image, so an image's are a slice. -inf where an image has none; the first of equals wins.
    """
    start, end = np.searchsorted(owner, place, "left"), np.searchsorted(owner, place, "right")
    count = end - start
    detection = np.repeat(np.arange(len(place)), count)
    first = np.cumsum(count) - count
    candidate = np.arange(len(detection)) - first[detection] + start[detection]
    a, b = corner[detection], box[candidate]
    inner = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]) + 1.0
    shared = np.prod(np.maximum(inner, 0.0), axis=1)
    overlaps = shared / (_area(a) + _area(b) - shared)
    best = np.zeros(len(place), dtype=np.int64)
    overlap = np.full(len(place), -np.inf)
    # Stable and by falling overlap, the first entry of every detection is its first greatest candidate.
    ranking = np.lexsort((candidate, -overlaps, detection))
    chosen = ranking[first[count > 0]]
    overlap[count > 0], best[count > 0] = overlaps[chosen], candidate[chosen]
    return overlap, best


def _area(box: Floats) -> Floats:
    area: Floats = (box[:, 2] - box[:, 0] + 1.0) * (box[:, 3] - box[:, 1] + 1.0)
    return area


def _judge(
    hit: NDArray[np.bool_], best: Ints, difficult: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Right and wrong detections, both (n,), given by falling score; those on difficult objects are neither."""
    counted = np.flatnonzero(hit & ~difficult[best]) if len(difficult) else np.flatnonzero(hit)
    _, first = np.unique(best[counted], return_index=True)
    right, wrong = np.zeros(len(hit), dtype=bool), ~hit
    wrong[counted] = True
    right[counted[first]], wrong[counted[first]] = True, False
    return right, wrong


def _average_precision(right: NDArray[np.bool_], wrong: NDArray[np.bool_], objects: int, eleven_point: bool) -> float:
    """AP in [0, 1] of detections by falling score, ``objects`` of which there are to find."""
    hits, misses = np.cumsum(right, dtype=np.float64), np.cumsum(wrong, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = hits / float(objects) if len(hits) else hits
    precision = hits / np.maximum(hits + misses, np.finfo(np.float64).eps)
    if eleven_point:
        reached = [precision[recall >= level] for level in np.arange(0.0, 1.1, 0.1)]
        return float(sum(values.max() / 11.0 if len(values) else 0.0 for values in reached))
    recall, precision = np.concatenate([[0.0], recall, [1.0]]), np.concatenate([[0.0], precision, [0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    change = np.flatnonzero(recall[1:] != recall[:-1])
    return float(np.sum((recall[change + 1] - recall[change]) * envelope[change + 1]))
