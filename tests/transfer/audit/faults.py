"""Ways to break a set of generated scenes: each with the kind of finding and the words that it must bring."""

import json
import re
import shutil

import numpy as np
from PIL import Image

TRAIN = "coco/annotations/instances_train2017.json"
LISTS = "VOC2012/ImageSets/Segmentation"


def edit_json(root, change):
    content = json.loads((root / TRAIN).read_text())
    change(content)
    (root / TRAIN).write_text(json.dumps(content))


def paint(path, change):
    with Image.open(path) as file:
        labels, palette = np.array(file), file.getpalette()
    changed = Image.fromarray(change(labels))
    if palette and changed.mode == "L":
        changed.putpalette(palette)
    changed.save(path)


def filled(value):
    def change(labels):
        labels[:2, :3] = value
        return labels

    return change


def put(file, text):
    return lambda root: (root / file).write_text(text)


def add(file, text):
    return lambda root: (root / file).write_text((root / file).read_text() + text)


def remove(file):
    return lambda root: (root / file).unlink()


def swap(file, pattern, new):
    return lambda root: (root / file).write_text(re.sub(pattern, new, (root / file).read_text(), count=1))


def truncate(file):
    return lambda root: (root / file).write_bytes((root / file).read_bytes()[: (root / file).stat().st_size // 2])


def a_folder_instead(file):
    def change(root):
        (root / file).unlink()
        (root / file).mkdir()

    return change


def empty(*folders):
    def change(root):
        for folder in folders:
            shutil.rmtree(root / folder)
            (root / folder).mkdir()

    return change


def into_the_wrong_split(root):
    for kind in ("leftImg8bit", "gtFine"):
        shutil.move(root / "cityscapes" / kind / "val/lindau", root / "cityscapes" / kind / "train/lindau")


def a_test_image_trained_on(root):
    shutil.copy(root / "coco/val2017/000000000002.jpg", root / "coco/train2017/000000000002.jpg")
    entry = {"id": 999, "file_name": "000000000002.jpg", "height": 60, "width": 60}
    with Image.open(root / "coco/train2017/000000000002.jpg") as image:
        entry["width"], entry["height"] = image.size
    edit_json(root, lambda content: content["images"].append(entry))


def change(path, **fields):
    """Change the fields of one entry of the JSON: ``images.3``."""
    sort, place = path.split(".")
    return lambda root: edit_json(root, lambda content: content[sort][int(place)].update(fields))


def twice(content):
    content["images"].append({**content["images"][0], "file_name": "000000000099.jpg"})


ADE = "ADEChallengeData2016"
CITY = "cityscapes/gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"
AUG = "VOC2012/SegmentationClassAug/2012_000003.png"
XML = "VOC2007/Annotations/000001.xml"
FAULTS = [
    (
        truncate("coco/train2017/000000000004.jpg"),
        "image cannot be decoded",
        "000000000004.jpg: cannot be decoded (",
    ),
    (a_folder_instead("VOC2007/JPEGImages/000003.jpg"), "image cannot be decoded", "000003.jpg: is a folder"),
    (put("VOC2007/JPEGImages/000002.jpg", ""), "image cannot be decoded", "000002.jpg: cannot be decoded"),
    (
        remove("coco/train2017/000000000007.jpg"),
        "image missing",
        "0007.jpg: no such file, but instances_train2017.json",
    ),
    (remove("VOC2007/JPEGImages/000003.jpg"), "image missing", "VOC2007/JPEGImages/000003.jpg: no such file"),
    (remove(XML), "annotation missing", "000001.xml: no such file"),
    (put(XML, "<annotation><size>"), "annotation at fault", "000001.xml: not valid XML"),
    (swap(XML, "<name>.*?<", "<name>unicorn<"), "annotation at fault", "000001.xml: unknown class `unicorn`"),
    (swap(XML, "<xmin>.*?<", "<xmin>90<"), "annotation at fault", "is empty"),
    (swap(XML, "<height>.*?<", "<height>300<"), "annotation of another size", "000001.xml: says "),
    (change("annotations.0", category_id=999), "annotation at fault", "is of unknown category 999"),
    (change("annotations.0", image_id=12345), "annotation at fault", "is of unknown image 12345"),
    (change("images.3", width="wide"), "image entry at fault", "image 10 lacks `width`"),
    (lambda root: edit_json(root, twice), "image entry at fault", "image id 1 is given twice"),
    (put(TRAIN, "{"), "annotation file at fault", "not valid JSON"),
    (change("images.3", width=37, height=500), "image of another size", "0010.jpg: is "),
    (lambda root: paint(root / AUG, filled(200)), "label out of range", "holds 200 in 6 pixels; known are 0-20, 255"),
    (lambda root: paint(root / CITY, filled(77)), "label out of range", "holds 77 in 6 pixels; known are 0-33"),
    (
        lambda root: paint(root / ADE / "annotations/training/ADE_train_00000002.png", filled(151)),
        "label out of range",
        "holds 151 in 6 pixels; known are 0-150",
    ),
    (lambda root: paint(root / AUG, lambda a: a[5:, 3:]), "label map of another size", "where 2012_000003.jpg is"),
    (lambda root: paint(root / AUG, lambda a: np.stack([a] * 3, 2)), "label map in colour", "has mode RGB"),
    (put(AUG, "no image"), "label map cannot be decoded", "2012_000003.png: cannot be decoded"),
    (remove(AUG), "label map missing", "2012_000003.png: no such file"),
    (remove(CITY), "label map missing", "aachen_000000_000019_gtFine_labelIds.png: no such file"),
    (remove(f"{ADE}/images/training/ADE_train_00000001.jpg"), "image missing", "ADE_train_00000001.jpg: no such file"),
    (lambda root: shutil.rmtree(root / "cityscapes/gtFine/val"), "folder missing", "gtFine/val: no such folder"),
    (
        empty(f"{ADE}/images/validation", f"{ADE}/annotations/validation"),
        "nothing in it",
        "images/validation: holds no",
    ),
    (into_the_wrong_split, "file in the wrong folder", "is of lindau, a city of val, not train"),
    (
        lambda root: shutil.copytree(root / "cityscapes/gtFine/val/lindau", root / "cityscapes/gtFine/val/frankfurt2"),
        "file in the wrong folder",
        "is of lindau, not frankfurt2",
    ),
    (put(f"{LISTS}/val.txt", "\n"), "list at fault", "val.txt: lists no image"),
    (add(f"{LISTS}/aug.txt", "2012_000003\n"), "list at fault", "aug.txt: lists `2012_000003` twice"),
    (add(f"{LISTS}/aug.txt", "a.jpg b.png\n"), "list at fault", "`a.jpg b.png` is no image name"),
    (add(f"{LISTS}/aug.txt", "2012_000002\n"), "trained on and tested on", "is in VOC2012/val, too (the same file)"),
    (a_test_image_trained_on, "trained on and tested on", "is in coco/val2017, too (the same name and size"),
]
