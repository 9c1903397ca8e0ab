"""The files are read by the data sets' own tools: pycocotools, and torchvision's VOC and Cityscapes readers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from torchvision import datasets

from transfer.scenes.cityscapes import OUT_OF_ROI
from transfer.scenes.classes import CLASSES
from transfer.scenes.layout import layout
from transfer.scenes.polygons import box
from transfer.scenes.voc import VOID, lists, palette, stem


def test_coco_objects_are_those_of_the_layout(scenes, spec):
    coco = COCO(scenes / "coco/annotations/instances_train2017.json")
    assert len(coco.getCatIds()) == 80
    assert coco.loadCats(72)[0] == {"supercategory": "electronic", "id": 72, "name": "tv"}
    crowds = 0
    for index, number in enumerate(sorted(coco.getImgIds())):
        geometry = layout(spec, "coco/train2017", index)
        expected = np.zeros_like(geometry.instances)
        found = np.zeros_like(geometry.instances)
        for annotation in coco.loadAnns(coco.getAnnIds(number)):
            mask = coco.annToMask(annotation).astype(bool)
            assert annotation["area"] == mask.sum()
            assert tuple(annotation["bbox"]) == box(mask)
            found[mask] = annotation["category_id"]
            crowds += annotation["iscrowd"]
        for place, thing in enumerate(geometry.things):
            expected[geometry.mask(place)] = CLASSES[thing.label].coco
        assert np.array_equal(found, expected)
    assert 0 < crowds < 12


def test_coco_unlabeled_has_images_but_no_annotations(scenes):
    content = json.loads((scenes / "coco/annotations/image_info_unlabeled2017.json").read_text())
    assert "annotations" not in content
    assert [each["file_name"] for each in content["images"]] == sorted(
        path.name for path in (scenes / "coco/unlabeled2017").iterdir()
    )


@pytest.fixture
def devkit(scenes, tmp_path):
    """The set where torchvision looks for it."""
    (tmp_path / "VOCdevkit").mkdir()
    (tmp_path / "VOCdevkit/VOC2007").symlink_to(scenes / "VOC2007")
    (tmp_path / "VOCdevkit/VOC2012").symlink_to(scenes / "VOC2012")
    return tmp_path


@pytest.mark.parametrize(("year", "split", "ours"), [("2007", "test", "test"), ("2012", "val", "val")])
def test_voc_boxes_are_those_of_the_layout(devkit, spec, year, split, ours):
    read = datasets.VOCDetection(devkit, year, split)
    assert len(read) == getattr(spec, f"voc{year}").model_dump()[ours]
    for index in range(len(read)):
        image, target = read[index]
        geometry = layout(spec, f"voc{year}/{ours}", index)
        assert image.size == geometry.instances.shape[::-1]
        assert len(target["annotation"]["object"]) == len(geometry.things) > 0
        for place, element in enumerate(target["annotation"]["object"]):
            x, y, wide, high = box(geometry.mask(place))
            expected = {"xmin": x + 1, "ymin": y + 1, "xmax": x + wide, "ymax": y + high}
            assert element["bndbox"] == {key: str(value) for key, value in expected.items()}
            assert element["name"] == CLASSES[geometry.things[place].label].name


def test_voc_masks_are_palette_images_with_a_void_border(devkit, spec):
    read = datasets.VOCSegmentation(devkit, "2012", "train")
    assert len(read) == spec.voc2012.train
    colours = np.frombuffer(palette(), np.uint8).reshape(256, 3).tolist()
    assert [colours[number] for number in (1, 2, 15, 20, 255)] == [
        [128, 0, 0], [0, 128, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192],
    ]  # fmt: skip
    for index in range(len(read)):
        mask = read[index][1]
        assert mask.mode == "P"
        assert bytes(mask.getpalette()) == palette()
        geometry, array = layout(spec, "voc2012/train", index), np.asarray(mask)
        labels = geometry.semantic([0] * 99, range(1, 21))
        assert np.array_equal(array[array != VOID], labels[array != VOID])
        beside = np.zeros(array.shape, bool)
        beside[:, 1:] |= geometry.instances[:, 1:] != geometry.instances[:, :-1]
        assert np.all(array[beside] == VOID)
        assert 0 < np.mean(array == VOID) < 0.4


def test_voc_aug_adds_pictures_with_masks_of_their_own(scenes, spec):
    listed = lists(spec)
    assert listed["VOC2012/ImageSets/Segmentation/aug"] == ["2012_000003", "2012_000006", "2012_000009"]
    both = set(listed["VOC2012/ImageSets/Segmentation/train_aug"])
    assert both == set(listed["VOC2012/ImageSets/Segmentation/train"]) | {"2012_000003", "2012_000006", "2012_000009"}
    assert not (scenes / "VOC2012/SegmentationClass/2012_000003.png").exists()
    array = np.asarray(Image.open(scenes / "VOC2012/SegmentationClassAug/2012_000003.png"))
    expected = layout(spec, "voc2012/aug", 0).semantic([0] * 99, range(1, 21))
    assert np.array_equal(array, expected)
    assert stem("2012", "aug", 0) == "2012_000003"


def test_cityscapes_reads_with_torchvision(scenes, spec):
    kinds = ["semantic", "instance", "polygon"]
    read = datasets.Cityscapes(scenes / "cityscapes", "train", "fine", kinds)
    assert len(read) == spec.cityscapes.train
    to_train = {each.id: each.train_id % 256 for each in datasets.Cityscapes.classes}
    names = {each.id: each.name for each in datasets.Cityscapes.classes}
    counted = {each.id for each in datasets.Cityscapes.classes if each.has_instances}
    for index in range(len(read)):
        image, (labels, instances, polygons) = read[index]
        labels, instances = np.asarray(labels), np.asarray(instances).astype(int)
        assert image.size == (2 * spec.shorter[1], spec.shorter[1]) == (polygons["imgWidth"], polygons["imgHeight"])
        trained = np.asarray(Image.open(str(read.targets[index][0]).replace("labelIds", "labelTrainIds")))
        assert np.array_equal(np.vectorize(to_train.get)(labels), trained)
        assert set(np.unique(labels[instances >= 1000])) <= counted
        assert not set(np.unique(labels[instances < 1000])) & counted
        assert {each["label"] for each in polygons["objects"]} == {names[number] for number in np.unique(labels)}
        assert np.all(labels[:2] == OUT_OF_ROI)
        assert np.all(trained[:2] == 255)


def test_ade20k_has_the_official_names_and_numbers(scenes, spec):
    home = scenes / "ADEChallengeData2016"
    pairs = [("training", "train", 3), ("validation", "val", 2)]
    for folder, prefix, count in pairs:
        names = [f"ADE_{prefix}_{number:08d}" for number in range(1, count + 1)]
        assert sorted(path.stem for path in (home / "images" / folder).glob("*.jpg")) == names
        assert sorted(path.stem for path in (home / "annotations" / folder).glob("*.png")) == names
    labels = np.asarray(Image.open(home / "annotations/training/ADE_train_00000001.png"))
    geometry = layout(spec, "ade20k/training", 0)
    assert geometry.things
    for place, thing in enumerate(geometry.things):
        assert np.all(labels[geometry.mask(place)] == CLASSES[thing.label].ade20k)
    assert labels.max() <= 150
    assert np.all(labels[geometry.instances == 0] > 0), "background is stuff, not `other`"
