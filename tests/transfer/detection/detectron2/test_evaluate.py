"""detectron2's VOC evaluator behind our labels, against its own numbers and ours.

``fixtures/voc_ap.json`` is explained in ``tests/transfer/evaluators/test_voc_ap.py``.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng as rng

from ground.errors import DataError
from transfer.evaluators.coco import measure
from transfer.evaluators.detections import Detections
from transfer.evaluators.voc import evaluate
from transfer.layouts import coco
from transfer.layouts.voc import Labelled

pytest.importorskip("detectron2", reason="detectron2 is not importable")
SETS = json.loads((Path(__file__).parents[2] / "fixtures" / "voc_ap.json").read_text())["sets"]
SIZE = (300, 400)


def read(kind):
    images = [
        Labelled(f"{n:06d}", Path(f"{n}.jpg"), *SIZE, tuple(labels), tuple(map(tuple, boxes)), tuple(difficult))
        for n, (labels, boxes, difficult) in enumerate(SETS[kind]["objects"])
    ]
    place, label, score, box = SETS[kind]["detections"]
    return images, Detections(np.array(place), np.array(label), np.array(score, np.float32), np.array(box, np.float32))


def put_through(images, found, year, folder):
    """The metrics of detectron2's evaluator and what was collected, from ``found`` as detectron2's ``Instances``."""
    import torch
    from detectron2.data import MetadataCatalog
    from detectron2.structures import Boxes, Instances

    from transfer.detection.detectron2.evaluate import Collector, VocFiles

    files, collector = VocFiles(folder / "labels", f"VOC{year}/test"), Collector()
    files.write(images)
    evaluator = files.evaluator(str(folder))
    try:
        for each in (evaluator, collector):
            each.reset()
            for place in range(len(images)):
                mine = found.image == place
                boxes, scores, labels = (torch.from_numpy(part[mine]) for part in (found.box, found.score, found.label))
                instances = Instances(SIZE, pred_boxes=Boxes(boxes), scores=scores, pred_classes=labels)
                each.process([{"image_id": f"{place:06d}", "position": place}], [{"instances": instances}])
        return evaluator.evaluate()["bbox"], collector.detections()
    finally:
        files.remove()
        MetadataCatalog.pop(str(folder), None)


@pytest.mark.parametrize("year", ["2007", "2012"])
@pytest.mark.parametrize("kind", list(SETS))
def test_equal_scores_keep_their_order_so_that_both_evaluators_agree(kind, year, tmp_path):
    from transfer.detection.detectron2.evaluate import agree

    images, found = read(kind)
    theirs, collected = put_through(images, found, year, tmp_path)
    assert dict(theirs) == pytest.approx(SETS[kind]["official"][year], rel=0, abs=1e-9, nan_ok=True)
    for name in ("image", "label", "score", "box"):
        assert np.array_equal(getattr(collected, name), getattr(found, name))
    agree(theirs, evaluate(images, collected, eleven_point=year == "2007"))


def test_evaluators_that_disagree_leave_no_number():
    from transfer.detection.detectron2.evaluate import agree

    agree({"AP": 1.0, "AP50": float("nan")}, {"AP": 1.0 + 5e-7, "AP50": float("nan")})
    with pytest.raises(RuntimeError, match=r"disagree: AP 1.0 there and 1.00001 here"):
        agree({"AP": 1.0}, {"AP": 1.00001})


def test_a_box_that_detectron2_cannot_read_is_named_before_training(tmp_path):
    from transfer.detection.detectron2.evaluate import VocFiles

    image = Labelled("a", Path("a.jpg"), *SIZE, (3,), ((1.0, 2.5, 30.0, 40.0),), (False,))
    with pytest.raises(DataError, match=r"a.jpg: has the box .*2.5.*whole numbers alone. Round the box"):
        VocFiles(tmp_path, "VOC2007/test").write([image])


def test_masks_are_packed_as_cocos_tools_read_them():
    import torch
    from detectron2.structures import Boxes, Instances
    from pycocotools import mask as official

    from transfer.detection.detectron2.evaluate import Collector

    masks = torch.zeros(2, 8, 6, dtype=torch.bool)
    masks[0, 2:5, 1:4] = masks[1, 0, 0] = True
    boxes = Boxes(torch.tensor([[1.0, 2.0, 4.0, 5.0], [0.0, 0.0, 1.0, 1.0]]))
    found = Instances(
        (8, 6), pred_boxes=boxes, scores=torch.tensor([0.5, 0.25]), pred_classes=torch.tensor([7, 0]), pred_masks=masks
    )
    collector = Collector()
    collector.reset()
    collector.process([{"position": 1}, {"position": 0}], [{"instances": found}, {"instances": found[:0]}])
    collected = collector.detections()
    assert collected.image.tolist() == [1, 1]
    assert collected.label.tolist() == [7, 0]
    assert collected.mask[0]["size"] == [8, 6]
    for packed, mask in zip(collected.mask, masks, strict=True):
        assert np.array_equal(official.decode(packed), mask.numpy())


def near(image, draw):
    """detectron2's ``Instances`` of a labelled image: its objects a little off, some of another class, scores drawn."""
    import torch
    from detectron2.structures import Boxes, Instances
    from pycocotools import mask as official

    masks = []
    for item in image.objects:
        runs = item.runs or official.merge(
            official.frPyObjects(list(map(list, item.polygons)), image.height, image.width)
        )
        runs = official.frPyObjects(runs, image.height, image.width) if isinstance(runs["counts"], list) else runs
        masks.append(np.roll(official.decode(runs), draw.integers(-3, 4), axis=1))
    boxes = np.array(image.corners, dtype=np.float32).reshape(-1, 4) + draw.normal(0, 3, (len(masks), 4))
    labels = np.where(draw.random(len(masks)) < 0.2, 0, np.array(image.labels, dtype=np.int64))
    return Instances(
        (image.height, image.width),
        pred_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32)),
        scores=torch.tensor(draw.random(len(masks)), dtype=torch.float32),
        pred_classes=torch.tensor(labels),
        pred_masks=torch.tensor(np.array(masks, dtype=bool)),
    )


def test_cocos_numbers_are_those_of_detectron2s_evaluator(tiny_pyramid, scenes):
    from detectron2.data import MetadataCatalog
    from detectron2.evaluation import COCOEvaluator

    from transfer.detection.detectron2.evaluate import Collector

    labels = coco.load(tiny_pyramid, scenes)
    known = {category.number: label for label, category in enumerate(labels.classes)}
    names = [category.name for category in labels.classes]
    file = coco.listed(scenes, tiny_pyramid.sets.test).file
    MetadataCatalog.get("near").set(json_file=str(file), thing_dataset_id_to_contiguous_id=known, thing_classes=names)
    theirs, ours, draw = COCOEvaluator("near", tasks=("bbox", "segm"), distributed=False), Collector(), rng(3)
    theirs.reset()
    ours.reset()
    for position, image in enumerate(labels.test):
        found = [{"instances": near(image, draw)}]
        theirs.process([{"image_id": image.number}], found)
        ours.process([{"position": position}], found)
    numbers = theirs.evaluate()
    MetadataCatalog.pop("near")
    measured = measure(tiny_pyramid, labels, ours.detections())
    assert 5 < measured["mask_AP"] < 95
    for part, sort in (("box", "bbox"), ("mask", "segm")):
        for name in ("AP", "AP50", "AP75"):
            assert measured[f"{part}_{name}"] == pytest.approx(numbers[sort][name], rel=0, abs=1e-6)
