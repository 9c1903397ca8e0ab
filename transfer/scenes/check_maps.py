"""Do the files of the two scene-parsing layouts agree?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as official

from transfer.scenes import ade20k, cityscapes
from transfer.scenes.classes import CLASSES, STUFF
from transfer.scenes.files import Tick
from transfer.scenes.reading import read_image, read_json, require, require_folder


def check_cityscapes(root: Path, split: str, count: int, tick: Tick) -> None:
    """Check labels, train ids, instances and polygons against one another.

    Raises:
        DataError: at the first fault.
    """
    for index in range(count):
        paths = cityscapes.files(root, split, index)
        shape = read_image(paths["leftImg8bit"], ("RGB",)).shape[:2]
        labels = read_image(paths["labelIds"], ("L",), shape)
        known = np.isin(labels, [cityscapes.OUT_OF_ROI, *cityscapes.TRAINED])
        require(known.all(), paths["labelIds"], "holds a label no scene has")
        trained = read_image(paths["labelTrainIds"], ("L",), shape)
        agree = np.array_equal(trained, cityscapes.train_ids()[labels])
        require(agree, paths["labelTrainIds"], f"disagrees with {paths['labelIds'].name}")
        instances = read_image(paths["instanceIds"], ("I;16", "I"), shape).astype(np.int64)
        counted = np.isin(labels, list(cityscapes.COUNTED))
        agree = np.array_equal(np.where(counted, instances // 1000, instances), labels)
        require(agree, paths["instanceIds"], f"disagrees with {paths['labelIds'].name}")
        _check_polygons(paths["polygons"], labels)
        tick()


def _check_polygons(path: Path, labels: NDArray[np.uint8]) -> None:
    """The polygons of each label cover exactly its pixels."""
    content, shape = read_json(path, {"imgHeight", "imgWidth", "objects"}), labels.shape
    require((content["imgHeight"], content["imgWidth"]) == shape, path, "is of another size than its picture")
    rings: dict[str, list[list[float]]] = {}
    for each in content["objects"]:
        rings.setdefault(each["label"], []).append([value for corner in each["polygon"] for value in corner])
    names = cityscapes.TRAINED | {cityscapes.OUT_OF_ROI: "out of roi"}
    present = {names[number]: number for number in np.unique(labels).tolist()}
    require(set(rings) == set(present), path, f"has {sorted(rings)} but its masks have {sorted(present)}")
    for name, number in present.items():
        covered = official.decode(official.merge(official.frPyObjects(rings[name], *shape)))
        require(np.array_equal(covered, labels == number), path, f"the polygons of {name} are not its mask")


def check_ade20k(root: Path, split: str, count: int, tick: Tick) -> None:
    """Check sizes and class numbers.

    Raises:
        DataError: at the first fault.
    """
    known = {0, *(each.ade20k for each in CLASSES), *(each.ade20k for each in STUFF)}
    pairs = [ade20k.files(root, split, index) for index in range(count)]
    for paths in zip(*pairs, strict=True):
        require_folder(paths[0].parent, {path.name for path in paths})
    for image, labels in pairs:
        shape = read_image(image, ("RGB",)).shape[:2]
        classes = set(np.unique(read_image(labels, ("L",), shape)).tolist())
        require(classes <= known, labels, f"holds classes no scene has: {sorted(classes - known)}")
        tick()
