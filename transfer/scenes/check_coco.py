"""Do the COCO files agree? Masks are decoded by pycocotools, which had no part in writing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as official

from transfer.scenes.classes import CLASSES
from transfer.scenes.coco import annotation_file, image_id
from transfer.scenes.coco_categories import categories
from transfer.scenes.files import Tick
from transfer.scenes.reading import read_image, read_json, require, require_folder

FIELDS = frozenset({"id", "image_id", "category_id", "segmentation", "area", "bbox", "iscrowd"})
KNOWN = frozenset(each.coco for each in CLASSES)


def check_split(root: Path, split: str, count: int, tick: Tick) -> None:
    """Check the annotations of a split and every picture of it.

    Raises:
        DataError: at the first fault.
    """
    path = annotation_file(root, split)
    content = read_json(path, {"images", "categories"})
    expected = {image_id(split, index): f"{image_id(split, index):012d}.jpg" for index in range(count)}
    images = content["images"]
    require({each["id"]: each["file_name"] for each in images} == expected, path, "does not list the split's pictures")
    require(content["categories"] == categories(), path, "does not list the 80 categories")
    if count:
        require_folder(root / "coco" / split, set(expected.values()))
    annotations = content.get("annotations", [])
    require((not annotations) == (split == "unlabeled2017" or not count), path, "has the wrong kind of annotations")
    by_image = _by_image(path, annotations, list(expected))
    for each in images:
        shape = (each["height"], each["width"])
        read_image(root / "coco" / split / each["file_name"], ("RGB",), shape)
        _check_objects(path, by_image[each["id"]], shape)
        tick()


def _by_image(path: Path, annotations: list[dict[str, Any]], known: list[int]) -> dict[int, list[dict[str, Any]]]:
    whole = all(each.keys() >= FIELDS for each in annotations)
    require(whole, path, f"has an annotation without one of {', '.join(sorted(FIELDS))}")
    require(len({each["id"] for each in annotations}) == len(annotations), path, "has two annotations of one id")
    found: dict[int, list[dict[str, Any]]] = {number: [] for number in known}
    for each in annotations:
        require(each["image_id"] in found, path, f"annotation {each['id']} is of unknown image {each['image_id']}")
        found[each["image_id"]].append(each)
    return found


def _check_objects(path: Path, annotations: list[dict[str, Any]], shape: tuple[int, int]) -> None:
    taken = np.zeros(shape, bool)
    for annotation in annotations:
        where = f"annotation {annotation['id']}"
        require(annotation["category_id"] in KNOWN, path, f"{where} has category {annotation['category_id']}")
        mask = decode(path, annotation, shape)
        require(mask.any(), path, f"{where} has an empty mask")
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        extent = [columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]]
        require(annotation["bbox"] == extent, path, f"{where}: bbox {annotation['bbox']} but its mask's is {extent}")
        area = int(mask.sum())
        require(annotation["area"] == area, path, f"{where}: area {annotation['area']} but its mask has {area} pixels")
        require(not (mask & taken).any(), path, f"{where} overlaps another mask of its picture")
        taken |= mask


def decode(path: Path, annotation: dict[str, Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of an annotation: polygons, or run lengths if it is a crowd.

    Raises:
        DataError: it cannot be decoded or is of another shape.
    """
    segmentation, where = annotation["segmentation"], f"annotation {annotation['id']}"
    crowd = isinstance(segmentation, dict)
    require(annotation["iscrowd"] == int(crowd), path, f"{where}: iscrowd disagrees with its kind of mask")
    if crowd:
        require(segmentation["size"] == list(shape), path, f"{where}: mask of size {segmentation['size']}")
        require(sum(segmentation["counts"]) == shape[0] * shape[1], path, f"{where}: runs do not fill the picture")
    else:
        sound = bool(segmentation) and all(len(ring) >= 6 and len(ring) % 2 == 0 for ring in segmentation)
        require(sound, path, f"{where}: broken polygon")
    runs = official.frPyObjects(segmentation, *shape)
    return np.asarray(official.decode(runs if crowd else official.merge(runs)), bool)
