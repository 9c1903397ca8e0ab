"""VOC average precision against detectron2's own evaluator, and by hand.

``fixtures/voc_ap.json`` holds three drawn sets of objects and detections and what detectron2 makes of them:
``official`` with its one ``np.argsort`` made stable, which all machines agree on, and ``unstable`` as it comes, which
for ``tied`` scores is the number of the CPU it was written on. Written by
``python tests/transfer/evaluators/test_voc_ap.py REVISION`` with a clone of that revision on PYTHONPATH.
"""

import importlib.util
import json
import math
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from transfer.evaluators.voc import Detections, evaluate
from transfer.layouts.voc import CLASSES, Labelled

FIXTURE = Path(__file__).parent.parent / "fixtures" / "voc_ap.json"
WIDTH, HEIGHT = 320, 240
KINDS = ("sparse", "tied", "full")


def draw(kind, seed):
    """Sixty images with objects of all classes; if ``sparse``, five have none, three of them with detections. Scores of
    a class are distinct after rounding, unless ``tied``. Some images have no object, some no detection."""
    random = np.random.Generator(np.random.Philox(seed))
    present = 15 if kind == "sparse" else 20
    images, rows = [], []
    for place in range(60):
        objects = []
        for _ in range(random.integers(0, 7)):
            x, y = random.integers(1, WIDTH - 90), random.integers(1, HEIGHT - 90)
            w, h = random.integers(8, 90, 2)
            objects.append((int(random.integers(0, present)), (x, y, x + w, y + h), random.random() < 0.2))
        labels, boxes, difficult = zip(*objects, strict=True) if objects else ((), (), ())
        boxes = tuple(tuple(float(side) for side in box) for box in boxes)
        name = f"{place:06d}"
        images.append(Labelled(name, Path(f"{name}.jpg"), WIDTH, HEIGHT, labels, boxes, tuple(map(bool, difficult))))
        if random.random() < 0.1:
            continue
        for label, box, _ in objects:
            for _ in range(random.integers(0, 4) if label else 0):  # class 0 is never detected
                spread = random.choice([0.02, 0.1, 0.3]) * (box[2] - box[0])
                rows.append((place, label, np.array(box) - [1, 1, 0, 0] + random.normal(0, spread, 4)))
        for _ in range(random.integers(0, 4)):
            x, y, w, h = random.uniform([0, 0, 5, 5], [200, 150, 110, 85])
            rows.append(
                (place, int(random.integers(1, 18 if kind == "sparse" else 20)), np.array([x, y, x + w, y + h]))
            )
    label = np.array([row[1] for row in rows])
    score = np.empty(len(rows), dtype=np.float32)
    for kind_of in np.unique(label):
        mine = label == kind_of
        grid = random.choice(21 if kind == "tied" else 950, mine.sum(), replace=kind == "tied")
        score[mine] = grid / (20 if kind == "tied" else 1000) * 0.95 + random.uniform(0.0001, 0.0004, mine.sum())
        if kind != "tied":
            score[mine] = (grid + 25) / 1000 + random.uniform(-0.0004, 0.0004, mine.sum())
    corners = np.array([row[2] for row in rows], dtype=np.float32)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2] + 1)
    return images, Detections(np.array([row[0] for row in rows]), label, score, corners)


def stable_sort():
    """Equal scores stay in the order of the detections, on every CPU."""
    return patch("numpy.argsort", partial(np.argsort, kind="stable"))


def official(images, found, year, folder):
    """detectron2's numbers: the objects written as VOC annotations, the detections given as its ``Instances``."""
    import torch
    from detectron2.data import MetadataCatalog
    from detectron2.evaluation import PascalVOCDetectionEvaluator
    from detectron2.structures import Boxes, Instances

    (folder / "Annotations").mkdir()
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "test.txt").write_text("".join(f"{image.name}\n" for image in images))
    for image in images:
        objects = "".join(
            f"<object><name>{CLASSES[label]}</name><pose>x</pose><truncated>0</truncated><difficult>{int(hard)}"
            "</difficult><bndbox>"
            + "".join(f"<{s}>{v:.0f}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
            + "</bndbox></object>"
            for label, box, hard in zip(image.labels, image.boxes, image.difficult, strict=True)
        )
        (folder / "Annotations" / f"{image.name}.xml").write_text(f"<annotation>{objects}</annotation>")
    name = str(folder)
    MetadataCatalog.get(name).set(thing_classes=list(CLASSES), dirname=name, year=year, split="test")
    evaluator = PascalVOCDetectionEvaluator(name)
    evaluator.reset()
    for place, image in enumerate(images):
        mine = found.image == place
        boxes, scores, labels = (torch.from_numpy(part[mine]) for part in (found.box, found.score, found.label))
        instances = Instances((HEIGHT, WIDTH), pred_boxes=Boxes(boxes), scores=scores, pred_classes=labels)
        evaluator.process([{"image_id": image.name}], [{"instances": instances}])
    return {name: float(value) for name, value in evaluator.evaluate()["bbox"].items()}


def official_by_year(images, found):
    numbers = {}
    for year in (2007, 2012):
        with tempfile.TemporaryDirectory() as folder:
            numbers[str(year)] = official(images, found, year, Path(folder))
    return numbers


def write_fixture(revision):
    sets = {}
    for seed, kind in enumerate(KINDS):
        images, found = draw(kind, seed)
        unstable = official_by_year(images, found)
        with stable_sort():
            numbers = official_by_year(images, found)
        objects = [[list(image.labels), image.boxes, image.difficult] for image in images]
        columns = [found.image, found.label, found.score.astype(str).astype(float), found.box.astype(str).astype(float)]
        rows = [column.tolist() for column in columns]
        sets[kind] = {"objects": objects, "detections": rows, "official": numbers, "unstable": unstable}
    how = f"detectron2 {revision}, PascalVOCDetectionEvaluator, numpy {np.__version__}; NaN as it gives it; official: "
    how += "its argsort made stable; unstable: its argsort as it is, whose order of equal scores depends on the CPU"
    FIXTURE.write_text(json.dumps({"how": how, "sets": sets}, separators=(",", ":")) + "\n")


def read_fixture(kind):
    entry = json.loads(FIXTURE.read_text())["sets"][kind]
    images = [
        Labelled(f"{n:06d}", Path(f"{n}.jpg"), WIDTH, HEIGHT, tuple(labels), tuple(map(tuple, boxes)), tuple(difficult))
        for n, (labels, boxes, difficult) in enumerate(entry["objects"])
    ]
    place, label, score, box = entry["detections"]
    found = Detections(np.array(place), np.array(label), np.array(score, np.float32), np.array(box, np.float32))
    return images, found, entry


@pytest.mark.parametrize("year", ["2007", "2012"])
@pytest.mark.parametrize("kind", KINDS)
def test_detectron2_gives_the_same_numbers(kind, year):
    images, found, entry = read_fixture(kind)
    ours = evaluate(images, found, eleven_point=year == "2007")
    assert ours == pytest.approx(entry["official"][year], rel=0, abs=1e-6, nan_ok=True)


def test_the_fixture_holds_the_hard_cases():
    for kind in KINDS:
        images, found, entry = read_fixture(kind)
        with_objects = {label for image in images for label in image.labels}
        assert len(with_objects) == (15 if kind == "sparse" else 20)
        assert any(not image.labels for image in images)
        assert any(hard for image in images for hard in image.difficult)
        assert set(range(60)) - set(found.image.tolist())
        assert 0 not in found.label
        assert 5 < entry["official"]["2007"]["AP"] < 60
        assert math.isnan(entry["official"]["2012"]["AP"]) == (kind == "sparse")
    rounded = np.rint(read_fixture("tied")[1].score * 1000)
    assert len(np.unique(rounded)) < 30


@pytest.mark.parametrize("year", ["2007", "2012"])
def test_only_equal_scores_set_us_apart_from_detectron2_as_it_comes(year):
    entries = {kind: read_fixture(kind)[2] for kind in KINDS}
    for kind in ("sparse", "full"):
        as_it_comes = pytest.approx(entries[kind]["unstable"][year], rel=0, abs=1e-12, nan_ok=True)
        assert entries[kind]["official"][year] == as_it_comes
    official, unstable = (entries["tied"][sort][year] for sort in ("official", "unstable"))
    apart = {name: abs(official[name] - unstable[name]) for name in official}
    assert 0.01 < max(apart.values()) < 0.5


@pytest.mark.skipif(importlib.util.find_spec("detectron2") is None, reason="detectron2 is not importable")
@pytest.mark.parametrize("year", [2007, 2012])
@pytest.mark.parametrize("kind", KINDS)
def test_detectron2_itself_agrees_on_fresh_draws(kind, year, tmp_path):
    images, found = draw(kind, 100 + year)
    with stable_sort():
        theirs = official(images, found, year, tmp_path)
    assert evaluate(images, found, eleven_point=year == 2007) == pytest.approx(theirs, rel=0, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("eleven_point", [True, False])
def test_equal_scores_count_as_falling_in_the_order_given(eleven_point):
    images, found, _ = read_fixture("tied")
    distinct = found.score.copy()
    for kind in range(20):
        mine = np.flatnonzero(found.label == kind)
        ranking = sorted(mine, key=lambda row: (-np.rint(found.score[row] * 1000), row))
        distinct[ranking] = 0.95 - 0.001 * np.arange(len(mine))
    assert len(np.unique(distinct)) > len(np.unique(np.rint(found.score * 1000)))
    expected = evaluate(images, replace(found, score=distinct), eleven_point=eleven_point)
    assert evaluate(images, found, eleven_point=eleven_point) == expected


def one_class(objects, detections):
    """Images of cats: per image the boxes to find; detections as (image, score, box in VOC's pixels)."""
    images = [
        Labelled(str(n), Path("x"), 200, 200, (7,) * len(b), tuple(b), (False,) * len(b)) for n, b in enumerate(objects)
    ]
    place, score, box = zip(*detections, strict=True)
    corners = np.array(box, np.float32) - np.array([1, 1, 0, 0], np.float32)
    return images, Detections(np.array(place), np.full(len(place), 7), np.array(score, np.float32), corners)


def test_precision_and_recall_are_those_worked_out_by_hand():
    """Two objects; a hit, its duplicate, then the second: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1."""
    box = (11.0, 11.0, 30.0, 30.0)
    images, found = one_class([[box], [box]], [(0, 0.9, box), (0, 0.8, box), (1, 0.7, box)])
    assert evaluate(images, found, eleven_point=True)["AP50"] == pytest.approx((6 + 5 * 2 / 3) / 11 * 100 / 20)
    assert evaluate(images, found, eleven_point=False)["AP"] == pytest.approx((0.5 + 0.5 * 2 / 3) * 100 / 20)


def test_an_overlap_must_exceed_the_threshold():
    """10 of 20 pixels is exactly one half: no hit at .50."""
    images, found = one_class([[(1.0, 1.0, 20.0, 1.0)]], [(0, 0.9, (1.0, 1.0, 10.0, 1.0))])
    assert evaluate(images, found, eleven_point=True)["AP50"] == 0
    images, found = one_class([[(1.0, 1.0, 19.0, 1.0)]], [(0, 0.9, (1.0, 1.0, 10.0, 1.0))])
    assert evaluate(images, found, eleven_point=True)["AP50"] == pytest.approx(5)


def test_nothing_found_is_zero():
    images, _ = one_class([[(1.0, 1.0, 9.0, 9.0)]], [(0, 0.5, (1.0, 1.0, 9.0, 9.0))])
    none = Detections(np.empty(0, int), np.empty(0, int), np.empty(0, np.float32), np.empty((0, 4), np.float32))
    assert evaluate(images, none, eleven_point=True) == {"AP": 0, "AP50": 0, "AP75": 0}


if __name__ == "__main__":
    write_fixture(sys.argv[1])
