"""The COCO layout: where its files lie and what its annotations say. Light: imports no torch.

coco/train2017/000000000009.jpg
coco/annotations/instances_train2017.json     0-based boxes x, y, width, height; polygons, or run lengths of crowds

What detectron2 reads in it (``data/datasets/coco.py``, ``data/build.py``, ``data/dataset_mapper.py``) is read here:
classes are the file's categories by rising id; images without an object that is no crowd are not trained on; of the
others crowds and boxes without an area are left out (COCO 2017 has some), and rings of fewer than three points. All
images are tested on, and everything is ground truth there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ground.config import digest
from ground.errors import DataError
from ground.fingerprint import fingerprint as fingerprint_files
from transfer.detection_config import DetectionTask
from transfer.layouts.apart import check_apart
from transfer.layouts.coco_annotations import Annotation, read_annotations
from transfer.layouts.record import Box, Category, Labels, Outline, Photograph

AGAIN = "Unpack the annotations again, or correct it."


@dataclass(frozen=True, slots=True)
class Annotated(Photograph):
    """One image of COCO with its objects, crowds among them in a test list."""

    number: int
    """The image's id."""
    objects: tuple[Annotation, ...]

    @property
    def corners(self) -> Sequence[Box]:
        """Boxes by their corners."""
        boxes = (item.box for item in self.objects)
        return [(x, y, x + width, y + height) for x, y, width, height in boxes]

    @property
    def outlines(self) -> Sequence[Outline]:
        """Polygons, of images to train on."""
        return [item.polygons for item in self.objects if item.polygons is not None]


@dataclass(frozen=True, slots=True)
class Listed:
    """One annotation file, ``coco/train2017``, and the folder of its images; both below ``home``."""

    home: Path
    split: str

    @property
    def folder(self) -> Path:
        """Where its images are."""
        return self.home / self.split

    @property
    def file(self) -> Path:
        """Its JSON."""
        return self.home / "annotations" / f"instances_{self.split}.json"


def listed(root: Path, set_name: str) -> Listed:
    """The set ``coco/train2017`` below ``root/coco``, or below ``root`` if that itself is COCO's folder.

    Raises:
        DataError: there are no annotations in either.
    """
    home, split = set_name.split("/")
    places = [root / home, root]
    found = next((place for place in places if (place / "annotations").is_dir()), None)
    if found is None:
        remedy = f"Unpack COCO's annotations there or in {root / 'annotations'}, or set another data root."
        raise DataError(places[0] / "annotations", "no such folder", remedy)
    return Listed(found, split)


def read(images: Listed, *, masks: bool) -> tuple[list[Annotated], tuple[Category, ...]]:
    """Every image of the file by rising id, with all its objects, and the file's classes. Opens no image.

    Args:
        images: the file and its folder.
        masks: whether objects must have a mask; without, masks are not read.

    Raises:
        DataError: naming the file, and the image or annotation at fault.
    """
    content = contents(images.file)
    classes = categories(images.file, content["categories"])
    described = _images(images, content["images"])
    sizes = {number: (int(item["width"]), int(item["height"])) for number, item in described.items()}
    numbers = {category.number: label for label, category in enumerate(classes)}
    objects = read_annotations(images.file, content["annotations"], sizes, numbers, masks=masks)
    found = []
    for number, item in described.items():
        own = tuple(objects.get(number, ()))
        labels = tuple(each.label for each in own)
        path = images.folder / item["file_name"]
        found.append(Annotated(item["file_name"], path, *sizes[number], labels, number, own))
    return found, classes


def contents(file: Path) -> dict[str, Any]:
    """What an annotation file says, its three lists there.

    Raises:
        DataError: it is missing, cannot be read, or lacks one of them.
    """
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise DataError(file, "no such file", "Unpack COCO's annotations there, or name a list it has.") from None
    except OSError as error:
        raise DataError(file, f"cannot be read ({error.strerror})", "Mend its permissions.") from None
    except ValueError as error:
        raise DataError(file, f"not valid JSON ({error})", "Unpack it again.") from None
    for name in ("images", "annotations", "categories"):
        listed = content.get(name) if isinstance(content, dict) else None
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            raise DataError(file, f"has no list `{name}`", "Unpack it again: an `instances` file has it.")
    if not content["images"]:
        raise DataError(file, "lists no image", "Unpack it again.")
    whole: dict[str, Any] = content
    return whole


def categories(file: Path, items: list[dict[str, Any]]) -> tuple[Category, ...]:
    """Categories by rising id: COCO's 80 have ids up to 90.

    Raises:
        DataError: there is none, or one is at fault; names ``file``.
    """
    for item in items:
        if not isinstance(item.get("id"), int) or not isinstance(item.get("name"), str):
            raise DataError(file, f"category {item} lacks an id or a name", AGAIN)
    classes = tuple(sorted(Category(item["id"], item["name"]) for item in items))
    if not classes:
        raise DataError(file, "has no category", AGAIN)
    if len({category.number for category in classes}) < len(classes):
        raise DataError(file, "gives one id to two categories", AGAIN)
    return classes


def _images(images: Listed, items: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Images by rising id, each with its fields and its file. Reads one directory, no image."""
    for item in items:
        problem = image_problem(item)
        if problem is not None:
            raise DataError(images.file, problem, AGAIN)
    found = {item["id"]: item for item in sorted(items, key=lambda item: item["id"])}
    if len(found) < len(items):
        raise DataError(images.file, "gives one id to two images", AGAIN)
    numbers: dict[str, int] = {}
    for number, item in found.items():
        before = numbers.setdefault(item["file_name"], number)
        if before != number:
            raise DataError(images.file, f"images {before} and {number} are both {item['file_name']}", AGAIN)
    if not images.folder.is_dir():
        raise DataError(images.folder, "no such folder", f"Unpack {images.split} there.")
    present = set(os.listdir(images.folder))
    missing = [item["file_name"] for item in items if item["file_name"] not in present]
    if missing:
        problem = f"image missing ({len(missing)} of the {len(items)} in {images.file.name})"
        raise DataError(images.folder / missing[0], problem, f"Unpack {images.split} again.")
    return found


def image_problem(item: dict[str, Any]) -> str | None:
    """What is wrong with an entry of the file's ``images``."""
    sorts = {"id": int, "file_name": str, "width": int, "height": int}
    lacking = [name for name, sort in sorts.items() if not isinstance(item.get(name), sort)]
    if lacking:
        return f"image {item.get('id')} lacks `{lacking[0]}`"
    if item["width"] < 1 or item["height"] < 1:
        return f"image {item['id']} is {item['width']}x{item['height']} pixels"
    return None


def load(config: DetectionTask, root: Path) -> Labels:
    """The labels of the images to train on and of all to test on. Opens no image.

    Raises:
        DataError: naming the first file at fault: see `read`; also training lists without an object, and files whose
            categories differ, a test list without an object, a training list that stands twice, an image to train on
            that is tested on.
    """
    masks = config.model.kind == "mask_rcnn_fpn"
    test_set = listed(root, config.sets.test)
    test, classes = read(test_set, masks=masks)
    if all(each.crowd for image in test for each in image.objects):
        raise DataError(test_set.file, "has no object to find", "Name a list in `sets.test` whose images are labelled.")
    train: list[Annotated] = []
    where, photographs = {config.sets.test: test_set.file}, {config.sets.test: _photographs(test)}
    for name in config.sets.train:
        images = listed(root, name)
        found, others = read(images, masks=masks)
        if others != classes:
            problem = f"has other categories than {test_set.file.name}"
            raise DataError(images.file, problem, "Take both from one release of the data set.")
        where[name], photographs[name] = images.file, _photographs(found)
        train += [to_train_on(image, images.file) for image in found if not all(each.crowd for each in image.objects)]
    check_apart(config.sets, where, photographs)
    if not any(image.labels for image in train):
        lists = ", ".join(config.sets.train)
        raise DataError(root, f"no image of {lists} has an object", "Label some, or name other lists in `sets.train`.")
    return Labels(train, test, classes)


def _photographs(images: Sequence[Annotated]) -> dict[Path, str]:
    """Their names by their files."""
    return {image.image: image.name for image in images}


def to_train_on(image: Annotated, file: Path) -> Annotated:
    """The image with what a detector learns from: objects that are no crowd and whose box has an area.

    Raises:
        DataError: an object's mask is given in run lengths; names ``file``.
    """
    learnt = tuple(each for each in image.objects if not each.crowd and each.box[2] > 0 and each.box[3] > 0)
    runs = next((each for each in learnt if each.runs is not None), None)
    if runs is not None:
        problem = f"annotation {runs.number} is no crowd and has run lengths for a mask"
        raise DataError(file, problem, "Give it polygons, or `iscrowd: 1` to leave it out of training.")
    labels = tuple(each.label for each in learnt)
    return Annotated(image.name, image.image, image.width, image.height, labels, image.number, learnt)


def check(config: DetectionTask, root: Path) -> None:
    """The task's data below ``root`` can be trained and tested on, as far as its annotations tell.

    Raises:
        DataError: as `load`.
    """
    load(config, root)


def counts(config: DetectionTask, root: Path) -> dict[str, int]:
    """Set → images that its annotation file lists.

    Raises:
        DataError: as `listed` and `contents`.
    """
    names = dict.fromkeys((*config.sets.train, config.sets.test))
    return {name: len(contents(listed(root, name).file)["images"]) for name in names}


def fingerprint(config: DetectionTask, root: Path) -> str:
    """One hash of the task's data: names and sizes of images, contents of annotation files.

    The same files below ``root/coco`` and below ``root`` are the same data.

    Raises:
        DataError: as `load`.
    """
    loaded = load(config, root)
    seen = [listed(root, name) for name in dict.fromkeys((*config.sets.train, config.sets.test))]
    photographs = {images.folder: set[Path]() for images in seen}
    for image in (*loaded.train, *loaded.test):
        photographs[image.image.parent].add(image.image)
    parts = [[each.split, fingerprint_files(each.home, photographs[each.folder], [each.file])] for each in seen]
    return digest(parts)
