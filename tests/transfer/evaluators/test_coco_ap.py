"""COCO's average precision against pycocotools, on drawn objects and detections."""

import contextlib
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as official
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from transfer.evaluators.coco import evaluate, rows
from transfer.evaluators.detections import Detections
from transfer.layouts.coco import Annotated, Listed, read
from transfer.layouts.record import Category, Labels

CLASSES = tuple(Category(number, str(number)) for number in (1, 2, 5, 90))
WIDTH, HEIGHT = 160, 120
KINDS = ("distinct", "tied", "many", "one class")


def packed(polygon):
    return official.merge(official.frPyObjects([polygon], HEIGHT, WIDTH))


def diamond(x, y, w, h):
    return [x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2]


def draw(kind, seed):
    """Twenty images: some without objects, some without detections, every sixth object a crowd; scores ``tied`` in
    tenths; more than 100 detections in each image of ``many``; objects of all sizes."""
    random = np.random.Generator(np.random.Philox(seed))
    images, annotations, results = [], [], []
    for number in range(1, 21):
        images.append({"id": number, "file_name": f"{number}.jpg", "width": WIDTH, "height": HEIGHT})
        for _ in range(0 if number % 7 == 0 else int(random.integers(1, 7))):
            w, h = random.uniform(4, 110, 2)
            x, y = random.uniform(0, WIDTH - w), random.uniform(0, HEIGHT - h)
            ring, crowd = diamond(x, y, w, h), random.random() < 1 / 6
            mask = packed(ring)
            category = 1 if kind == "one class" else int(random.choice([1, 2, 5]))  # 90 has no object
            if crowd:
                flat = official.decode(mask).ravel(order="F")
                edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [2]])))
                runs = {"size": [HEIGHT, WIDTH], "counts": np.diff(np.concatenate([[0], edges])).tolist()}
            fields = {"id": len(annotations) + 1, "image_id": number, "category_id": category}
            area = float(official.area(mask))
            annotations.append(
                {
                    **fields,
                    "bbox": [x, y, w, h],
                    "area": area,
                    "iscrowd": int(crowd),
                    "segmentation": runs if crowd else [ring],
                }
            )
            if number % 9 == 0:
                continue
            for _ in range(40 if kind == "many" else int(random.integers(0, 4))):
                moved = np.clip(np.array([x, y, w, h]) + random.normal(0, random.choice([1, 5, 15]), 4), 0.5, None)
                found = int(random.choice([category, 1, 2, 5, 90], p=[0.6, 0.1, 0.1, 0.1, 0.1]))
                score = random.integers(1, 10) / 10 if kind == "tied" else random.random()
                results.append((number - 1, [each.number for each in CLASSES].index(found), score, moved))
    categories = [{"id": each.number, "name": each.name} for each in CLASSES]
    return {"images": images, "annotations": annotations, "categories": categories}, results


@pytest.fixture
def loaded(tmp_path):
    """Drawn objects read by the layout, and drawn detections."""

    def load(kind, seed=0):
        content, drawn = draw(kind, seed)
        (tmp_path / "val").mkdir(exist_ok=True)
        for image in content["images"]:
            (tmp_path / "val" / image["file_name"]).touch()
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / "instances_val.json").write_text(json.dumps(content))
        images, classes = read(Listed(tmp_path, "val"), masks=True)
        places, labels, scores, boxes = (np.array(column) for column in zip(*drawn, strict=True))
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.float32)
        masks = [packed(diamond(*box)) for box in boxes]
        masks = tuple({"size": each["size"], "counts": each["counts"].decode()} for each in masks)
        found = Detections(places, labels, scores.astype(np.float32), corners, masks)
        return content, Labels([], images, classes), found

    return load


def pycocotools_says(content, results, kind):
    """What pycocotools makes of the file as it was written and of the results as they are written."""
    unwanted = {"bbox": "segmentation", "segm": "bbox"}[kind]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(content))
        truth.createIndex()
        results = [{k: v for k, v in row.items() if k != unwanted} for row in json.loads(json.dumps(results))]
        counted = COCOeval(truth, truth.loadRes(results), kind)
        counted.evaluate()
        counted.accumulate()
        counted.summarize()
    return [100 * share for share in counted.stats[:3]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sort", "word"), [("bbox", "box"), ("segm", "mask")])
def test_the_numbers_are_those_of_pycocotools(loaded, kind, sort, word):
    for seed in range(2):
        content, labels, found = loaded(kind, seed)
        results = rows(labels, found)
        if kind == "many":
            assert max(np.bincount(found.image)) > 100
        ours = evaluate(labels.test, labels.classes, results, sort)
        theirs = pycocotools_says(content, results, sort)
        assert list(ours) == [f"{word}_{name}" for name in ("AP", "AP50", "AP75")]
        assert list(ours.values()) == pytest.approx(theirs, abs=1e-6)
        assert ours[f"{word}_AP"] > 1


def test_the_detections_written_are_cocos_results(loaded):
    _, labels, found = loaded("distinct")
    row = rows(labels, found)[3]
    image, label = labels.test[found.image[3]], labels.classes[found.label[3]]
    assert (row["image_id"], row["category_id"]) == (image.number, label.number)
    left, top, right, bottom = found.box[3].tolist()
    assert row["bbox"] == pytest.approx([left, top, right - left, bottom - top], abs=1e-5)
    assert np.float32(row["score"]) == found.score[3]
    assert row["segmentation"] == found.mask[3]


def test_without_a_detection_every_precision_is_zero(loaded):
    _, labels, _ = loaded("distinct")
    for kind in ("bbox", "segm"):
        assert set(evaluate(labels.test, labels.classes, [], kind).values()) == {0.0}


def test_without_an_object_there_is_no_precision():
    images = [Annotated("1.jpg", Path("1.jpg"), 9, 9, (), 1, ())]
    row = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3], "score": 0.5}
    assert all(math.isnan(share) for share in evaluate(images, CLASSES, [row], "bbox").values())


def test_the_ground_truth_finds_itself(loaded):
    """Objects as detections: AP 100, although pycocotools takes an object of id 0 for none."""
    content, labels, _ = loaded("distinct")
    content["annotations"][0]["id"] = 0
    results = [
        {"image_id": each["image_id"], "category_id": each["category_id"], "bbox": each["bbox"], "score": 0.9}
        for each in content["annotations"]
        if not each["iscrowd"]
    ]
    assert evaluate(labels.test, labels.classes, results, "bbox")["box_AP"] == pytest.approx(100)
    assert pycocotools_says(content, results, "bbox")[0] < 100
