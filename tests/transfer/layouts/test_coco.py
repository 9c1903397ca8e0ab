"""COCO's layout: what is read, what is trained on, what is refused."""

import json
import shutil

import numpy as np
import pytest
from pycocotools import mask as official

from ground.errors import DataError
from transfer import data
from transfer.layouts import coco
from transfer.tasks import resolve


def file_of(root, split="train2017"):
    return root / "coco" / "annotations" / f"instances_{split}.json"


def change(root, edit, split="train2017"):
    content = json.loads(file_of(root, split).read_text())
    edit(content)
    file_of(root, split).write_text(json.dumps(content))


def alone(root, *annotations):
    """Image 1 (64x48) alone to train on, with these objects."""

    def edit(content):
        content["images"] = [each for each in content["images"] if each["id"] == 1]
        content["annotations"] = list(annotations)

    change(root, edit)


def described(number, image, category, box, segmentation=None):
    """One object as COCO's JSON has it: a crowd if its mask is given in run lengths."""
    x, y, w, h = box
    rings = [[x, y, x + w, y, x + w, y + h, x, y + h]] if segmentation is None else segmentation
    crowd = {"iscrowd": int(isinstance(segmentation, dict)), "area": w * h}
    return {"id": number, "image_id": image, "category_id": category, "bbox": list(box), "segmentation": rings, **crowd}


RUNS = {"size": [48, 64], "counts": [0, 480, 64 * 48 - 480]}


def test_images_come_by_id_with_classes_counted_through(tiny_coco, coco_root):
    labels = coco.load(tiny_coco, coco_root)
    assert [image.number for image in labels.train] == list(range(1, 12))
    assert [image.number for image in labels.test] == list(range(12, 17))
    assert labels.classes == ((1, "a"), (7, "b"), (90, "c"))
    assert {label for image in labels.train for label in image.labels} == {0, 1, 2}
    image = labels.train[0]
    assert (image.width, image.height, image.name) == (64, 48, "000000000001.jpg")
    assert image.image.is_file()
    x, y, w, h = image.objects[0].box
    assert image.corners[0] == (x, y, x + w, y + h)
    assert image.outlines[0][0].tolist() == [x, y, x + w, y, x + w, y + h, x, y + h]


def test_what_is_trained_on_is_what_detectron2_trains_on(tiny_coco, coco_root):
    """Crowds and boxes without an area are left out, and images of crowds alone or of nothing; a ring of two points is
    no ring. An image whose only objects have boxes without an area stays, without objects."""

    def edit(content):
        content["annotations"] = [
            described(1, 1, 1, (0, 0, 10, 48), RUNS),
            described(2, 1, 7, (5, 5, 10, 10), [[5, 5, 15, 5, 15, 15], [5, 5, 15, 15]]),
            described(3, 1, 7, (5, 5, 10, 0)),
            described(4, 2, 1, (0, 0, 10, 48), RUNS),
            described(5, 3, 90, (9, 9, 0, 4)),
        ]

    change(coco_root, edit)
    train = coco.load(tiny_coco, coco_root).train
    assert [(image.number, image.labels) for image in train] == [(1, (1,)), (3, ())]
    assert [len(rings) for rings in train[0].outlines] == [1]


def test_a_test_list_keeps_every_image_and_object(tiny_coco, coco_root):
    def edit(content):
        content["annotations"] = [
            described(1, 12, 1, (0, 0, 10, 64), {"size": [64, 48], "counts": [0, 640, 64 * 48 - 640]}),
            described(2, 13, 7, (5, 5, 10, 0)),
        ]

    change(coco_root, edit, "val2017")
    test = coco.load(tiny_coco, coco_root).test
    assert [len(image.objects) for image in test] == [1, 1, 0, 0, 0]
    assert [test[0].objects[0].crowd, test[1].objects[0].crowd] == [True, False]


def test_both_places_of_the_layout_are_the_same_data(tiny_coco, coco_root, tmp_path):
    plain = data.fingerprint(tiny_coco, coco_root)
    shutil.move(coco_root / "coco", tmp_path / "flat")
    data.check(tiny_coco, tmp_path / "flat")
    assert data.fingerprint(tiny_coco, tmp_path / "flat") == plain


@pytest.mark.parametrize("file", ["annotations/instances_val2017.json", "train2017/000000000003.jpg"])
def test_the_fingerprint_sees_every_file(tiny_coco, coco_root, file):
    before = data.fingerprint(tiny_coco, coco_root)
    with open(coco_root / "coco" / file, "a") as handle:
        handle.write("\n")
    assert data.fingerprint(tiny_coco, coco_root) != before


def runs(*counts):
    return {"size": [48, 64], "counts": list(counts)}


def packed(text):
    return {"size": [48, 64], "counts": text}


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (("coco/val2017",), r"val2017\.json: `000000000012\.jpg` is tested on in coco/val2017, too \(5 such\)\. Take"),
        (("coco/train2017",) * 2, r"train2017\.json: `sets\.train` names coco/train2017 twice\. Name it once\."),
    ],
)
def test_no_list_is_trained_on_twice_or_tested_on(tiny_coco, coco_root, train, message):
    config = tiny_coco.model_copy(update={"sets": tiny_coco.sets.model_copy(update={"train": train})})
    for look in (data.check, data.fingerprint):
        with pytest.raises(DataError, match=message):
            look(config, coco_root)


def with_object(**fields):
    return lambda root: alone(root, {**described(17, 1, 7, (5, 5, 10, 10)), **fields})


def without(field):
    def damage(root):
        whole = described(17, 1, 7, (5, 5, 10, 10))
        del whole[field]
        alone(root, whole)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (with_object(image_id=99), "annotation 17 is of unknown image 99"),
        (with_object(category_id=2), "annotation 17 is of unknown category 2"),
        (with_object(bbox=[5, 5, -1, 3]), r"annotation 17 has bbox \[5, 5, -1, 3\] of negative size"),
        (with_object(bbox=[65, 5, 3, 3]), r"annotation 17 has bbox .* outside its 64x48 image"),
        (with_object(bbox=[5, 5, 3]), r"annotation 17 has bbox \[5, 5, 3\], not four numbers"),
        (with_object(bbox=[5, 5, 3, "x"]), r"annotation 17 has bbox .*, not four numbers"),
        (with_object(area=None), "annotation 17 has area None, no number"),
        (with_object(iscrowd=2), "annotation 17 has iscrowd 2, neither 0 nor 1"),
        (with_object(segmentation=[]), "annotation 17 has no polygon of three points"),
        (with_object(segmentation=[[1, 2, 3, 4]]), "annotation 17 has no polygon of three points"),
        (with_object(segmentation=[[1, 2, 3, 4, 5, "x"]]), "annotation 17 has a polygon that is not a list of numbers"),
        (with_object(segmentation=[[1, 2, 3, 4, 5, float("nan")]]), "annotation 17 has a polygon with a number that"),
        (with_object(segmentation={"size": [9, 9], "counts": [81]}), r"annotation 17 has a mask of size \[9, 9\]"),
        (with_object(segmentation={"size": [48, 64], "counts": [5]}), "annotation 17 has run lengths that do not fill"),
        (with_object(iscrowd=1, segmentation=runs(-5, 48 * 64 + 5)), "annotation 17 has a run length that is no whole"),
        (with_object(iscrowd=1, segmentation=runs(0.5, 48 * 64 - 0.5)), "annotation 17 has a run length that is no"),
        (with_object(iscrowd=1, segmentation=runs("x")), "annotation 17 has a run length that is no whole number"),
        (with_object(iscrowd=1, segmentation=runs()), "annotation 17 has run lengths that do not fill its image"),
        (with_object(iscrowd=1, segmentation=packed("abc!!")), "annotation 17 has run lengths with `!`"),
        (with_object(iscrowd=1, segmentation=packed("abc")), "annotation 17 has run lengths that break off"),
        (with_object(iscrowd=1, segmentation=packed("0")), "annotation 17 has run lengths that do not fill its image"),
        (with_object(segmentation=[[1, 2, 1e8, 4, 5, 6]]), "annotation 17 has a polygon far outside its 64x48 image"),
        (with_object(segmentation=[[1, 2, 3, -49, 5, 6]]), "annotation 17 has a polygon far outside its 64x48 image"),
        (with_object(segmentation=[[1, 2, 3, 4, 5, 10**400]]), "annotation 17 has a number that is too large"),
        (with_object(bbox=[5, 5, 3, 10**400]), "annotation 17 has a number that is too large"),
        (with_object(area=10**400), "annotation 17 has a number that is too large"),
        (with_object(area=-5), "annotation 17 has the negative area -5"),
        (with_object(category_id=[1]), r"annotation 17 has category_id \[1\], no whole number"),
        (with_object(image_id={}), "annotation 17 has image_id {}, no whole number"),
        (with_object(segmentation=RUNS), "annotation 17 is no crowd and has run lengths for a mask"),
        (with_object(id="x"), "annotation x has an id that is no whole number"),
        *(
            (without(field), f"annotation 17 lacks `{field}`")
            for field in ("image_id", "category_id", "bbox", "area", "segmentation")
        ),
        (lambda root: alone(root, *[described(3, 1, 7, (5, 5, 9, 9))] * 2), "annotation 3 has the id of another"),
    ],
)
def test_an_annotation_at_fault_is_named_with_its_file(tiny_coco, coco_root, damage, message):
    damage(coco_root)
    with pytest.raises(DataError, match=rf"instances_train2017\.json: {message}"):
        data.check(tiny_coco, coco_root)


def put(name, value):
    return lambda root: change(root, lambda content: content.update({name: value}))


def edit_image(**fields):
    return lambda root: change(root, lambda content: content["images"][0].update(fields))


def rename_class(root):
    change(root, lambda content: content["categories"][0].update(name="z"), "val2017")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: file_of(root).write_text("{"), r"instances_train2017\.json: not valid JSON"),
        (lambda root: file_of(root).write_text("[]"), r"instances_train2017\.json: has no list `images`"),
        (lambda root: file_of(root).unlink(), r"instances_train2017\.json: no such file"),
        (lambda root: shutil.rmtree(file_of(root).parent), r"coco/annotations: no such folder\. Unpack"),
        (lambda root: shutil.rmtree(root / "coco" / "val2017"), r"coco/val2017: no such folder"),
        (lambda root: (root / "coco/train2017/000000000004.jpg").unlink(), r"004\.jpg: image missing \(1 of the 11"),
        (put("annotations", None), "has no list `annotations`"),
        (put("images", []), "lists no image"),
        (put("categories", []), "has no category"),
        (put("categories", [{"id": 1, "name": "a"}] * 2), "gives one id to two categories"),
        (put("categories", [{"id": 1}]), "lacks an id or a name"),
        (edit_image(file_name=None), "image 11 lacks `file_name`"),
        (edit_image(width=0), "image 11 is 0x"),
        (edit_image(file_name="000000000003.jpg"), r"images 3 and 11 are both 000000000003\.jpg"),
        (edit_image(id=3), "gives one id to two images"),
        (rename_class, r"instances_train2017\.json: has other categories than instances_val2017\.json"),
        (put("annotations", []), "no image of coco/train2017 has an object"),
        (
            lambda root: change(root, lambda content: content.update(annotations=[]), "val2017"),
            r"instances_val2017\.json: has no object to find",
        ),
    ],
)
def test_a_file_at_fault_is_named(tiny_coco, coco_root, damage, message):
    damage(coco_root)
    with pytest.raises(DataError, match=message):
        data.check(tiny_coco, coco_root)


def test_run_lengths_packed_by_pycocotools_pass(tiny_coco, coco_root):
    """Also those with runs shorter than the one before the last, which are written as negative differences."""
    mask = np.asfortranarray(np.random.default_rng(0).random((48, 64)) < np.linspace(0, 1, 64), dtype=np.uint8)
    mask[:, 20:40] = 1
    text = official.encode(mask)["counts"].decode()
    alone(coco_root, described(1, 1, 7, (5, 5, 10, 10)), described(2, 1, 1, (0, 0, 64, 48), packed(text)))
    assert [each.number for each in coco.load(tiny_coco, coco_root).train[0].objects] == [1]
    alone(coco_root, described(1, 1, 7, (5, 5, 10, 10)), described(2, 1, 1, (0, 0, 64, 48), packed(text + "1")))
    with pytest.raises(DataError, match="annotation 2 has run lengths that do not fill its image"):
        coco.load(tiny_coco, coco_root)


def test_a_polygon_may_leave_its_image_by_the_images_size(tiny_coco, coco_root):
    alone(coco_root, described(1, 1, 7, (5, 5, 10, 10), [[-64, -48, 128, -48, 128, 96]]))
    assert coco.load(tiny_coco, coco_root).train[0].outlines[0][0].tolist() == [-64, -48, 128, -48, 128, 96]


def test_boxes_alone_need_no_masks(coco_root):
    model = {"kind": "faster_rcnn_c4", "backbone": "resnet18", "extra_norm": True, "pool_size": 2, "rois_per_image": 8}
    proposals = resolve("voc_detection", {}).model.proposals.model_dump()
    overrides = {"model": {**model, "proposals": proposals}, "metrics": ["box_AP"]}
    change(coco_root, lambda content: [each.pop("segmentation") for each in content["annotations"]])
    labels = coco.load(resolve("coco_detection", overrides), coco_root)
    assert len(labels.train) == 11
    assert labels.train[0].outlines == []


def test_images_are_counted_as_listed_and_held_against_the_publishers_numbers(tiny_coco, coco_root):
    counted = data.counts(tiny_coco, coco_root)
    assert counted == {"coco/train2017": 11, "coco/val2017": 5}
    change(coco_root, lambda content: content["images"].pop())
    assert data.counts(tiny_coco, coco_root)["coco/train2017"] == 10
    words = ["coco/train2017 has 11 images of 118287", "coco/val2017 has 5 images of 5000"]
    assert data.unofficial("coco", counted) == words
    assert data.unofficial("coco", {"coco/train2017": 118287, "coco/mine": 3}) == []
    assert data.unofficial("images", {"coco/unlabeled2017": 1}) == ["coco/unlabeled2017 has 1 images of 123403"]
