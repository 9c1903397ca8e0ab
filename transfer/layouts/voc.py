"""The PASCAL VOC layout: where its files lie and what its annotations say. Light: imports no torch.

VOC2007/ImageSets/Main/trainval.txt     one image name a line
VOC2007/JPEGImages/000005.jpg
VOC2007/Annotations/000005.xml          1-based, inclusive boxes
"""

from __future__ import annotations

import math
import os
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ground.config import digest
from ground.errors import DataError
from ground.fingerprint import fingerprint as fingerprint_files
from transfer.detection_config import DetectionTask
from transfer.layouts.apart import check_apart
from transfer.layouts.record import Box, Category, Labels, Photograph

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Labelled(Photograph):
    """One image and its objects. Boxes are (xmin, ymin, xmax, ymax) as written: 1-based, inclusive pixels."""

    boxes: tuple[Box, ...]
    difficult: tuple[bool, ...]

    @property
    def corners(self) -> Sequence[Box]:
        """1-based inclusive (1, 1, width, height) is (0, 0, width, height), as in detectron2 ``load_voc_instances``."""
        return [(left - 1, top - 1, right, bottom) for left, top, right, bottom in self.boxes]


@dataclass(frozen=True, slots=True)
class Listed:
    """One list of images, ``VOC2007/trainval``: its folder, its file and the names in it."""

    folder: Path
    file: Path
    names: tuple[str, ...]

    def image(self, name: str) -> Path:
        """The photograph of a name."""
        return self.folder / "JPEGImages" / f"{name}.jpg"

    def annotation(self, name: str) -> Path:
        """The XML file of a name."""
        return self.folder / "Annotations" / f"{name}.xml"


def listed(root: Path, set_name: str) -> Listed:
    """The list ``set_name`` (``VOC2007/trainval``) of detection below ``root``.

    Raises:
        DataError: the folder or the list is missing or empty, or the list names an image twice.
    """
    year, split = set_name.split("/")
    folder = home(root, year)
    file = folder / "ImageSets" / "Main" / f"{split}.txt"
    return Listed(folder, file, read_list(file, f"Unpack {year} again, or name a list it has."))


def home(root: Path, year: str) -> Path:
    """The folder of ``VOC2007`` or ``VOC2012`` in ``root`` or ``root/VOCdevkit``, where the archives put it.

    Raises:
        DataError: it is in neither.
    """
    places = [root / year, root / "VOCdevkit" / year]
    for place in places:
        if place.is_dir():
            return place
    raise DataError(places[0], "no such folder", f"Unpack {year} there or in {places[1]}, or set another data root.")


def read_list(file: Path, remedy: str) -> tuple[str, ...]:
    """The names in a file of ``ImageSets``, in its order.

    Raises:
        DataError: it is missing (``remedy``) or empty, or names an image twice.
    """
    names = lines(file, remedy)
    problems = list_problems(file, names)
    if problems:
        raise problems[0]
    return names


def lines(file: Path, remedy: str) -> tuple[str, ...]:
    """What stands in a list, a line each, blanks left out.

    Raises:
        DataError: it is missing (``remedy``) or cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors of Windows put a mark in front
    except FileNotFoundError:
        raise DataError(file, "no such file", remedy) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(file, f"cannot be read ({error})", remedy) from None
    return tuple(line.strip() for line in text.split("\n") if line.strip())


def list_problems(file: Path, names: Sequence[str]) -> list[DataError]:
    """What is wrong with a list of these names, whether or not there are such images."""
    found = []
    if not names:
        found.append(DataError(file, "lists no image", "Write one image name a line."))
    odd = next((name for name in names if "/" in name or " " in name), None)
    if odd is not None:
        remedy = "Write one name a line, without folder, suffix or label."
        found.append(DataError(file, f"`{odd}` is no image name", remedy))
    if len(set(names)) < len(names):
        twice = next(name for name, number in Counter(names).items() if number > 1)
        found.append(DataError(file, f"lists `{twice}` twice", "Keep one of the lines."))
    return found


def check_files(images: Listed) -> None:
    """Every name has its photograph and its XML. Reads two directories, no file.

    Raises:
        DataError: a directory or a file is missing.
    """
    for path_of, sort in ((images.image, "image"), (images.annotation, "annotation")):
        directory = path_of("").parent
        if not directory.is_dir():
            raise DataError(directory, "no such folder", "Unpack the data set again.")
        present = set(os.listdir(directory))
        missing = [name for name in images.names if path_of(name).name not in present]
        if missing:
            problem = f"{sort} missing ({len(missing)} of the {len(images.names)} in {images.file.name})"
            raise DataError(path_of(missing[0]), problem, "Unpack the data set again, or take its name off the list.")


def read_all(images: Listed) -> list[Labelled]:
    """The labels of every listed image, in the list's order.

    Raises:
        DataError: the first annotation at fault.
    """
    return [read(name, images.image(name), images.annotation(name)) for name in images.names]


def read(name: str, image: Path, annotation: Path) -> Labelled:
    """One XML file, checked.

    Raises:
        DataError: broken XML, a field missing or not a number, an unknown class, a box that is empty or
            leaves the image.
    """
    tree = _tree(annotation)
    width, height = _size(annotation, tree)
    objects = tree.findall("object")
    labels = tuple(_label(annotation, item) for item in objects)
    boxes = tuple(_box(annotation, item, width, height) for item in objects)
    difficult = tuple(_difficult(annotation, item) for item in objects)
    return Labelled(name, image, width, height, labels, boxes, difficult)


def problems(annotation: Path) -> tuple[tuple[int, int] | None, list[DataError]]:
    """Width and height that one XML file says, if it does, and everything for which `read` would refuse it."""
    try:
        tree = _tree(annotation)
        size = _size(annotation, tree)
    except DataError as error:
        return None, [error]
    found = []
    for item in tree.findall("object"):
        for look in (_label, partial(_box, width=size[0], height=size[1]), _difficult):
            try:
                look(annotation, item)
            except DataError as error:
                found.append(error)
    return size, found


def _tree(annotation: Path) -> ET.Element:
    try:
        return ET.parse(annotation).getroot()
    except ET.ParseError as error:
        raise DataError(annotation, f"not valid XML ({error})", "Unpack it again.") from None
    except FileNotFoundError:
        raise DataError(annotation, "no such file", "Unpack the data set again.") from None
    except OSError as error:
        raise DataError(annotation, f"cannot be read ({error.strerror})", "Mend its permissions.") from None


def _size(annotation: Path, tree: ET.Element) -> tuple[int, int]:
    width, height = (int(_number(annotation, tree, f"size/{side}")) for side in ("width", "height"))
    return width, height


def _label(annotation: Path, item: ET.Element) -> int:
    name = (item.findtext("name") or "").strip()
    if name not in CLASSES:
        raise DataError(annotation, f"unknown class `{name}`", f"Use one of: {', '.join(CLASSES)}.")
    return CLASSES.index(name)


def _difficult(annotation: Path, item: ET.Element) -> bool:
    """Whether finding the object or not does not count; said of VOC's objects by 0 or 1, or not at all."""
    written = (item.findtext("difficult") or "0").strip()
    if written not in ("0", "1"):
        raise DataError(annotation, f"<difficult> is `{written}`, neither 0 nor 1", "Correct it.")
    return written == "1"


def _box(annotation: Path, item: ET.Element, width: int, height: int) -> Box:
    """One object's box. A corner may lie one pixel outside: 0-based corners occur, and loaders clip them."""
    sides = (_number(annotation, item, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
    left, top, right, bottom = sides
    empty = right <= left or bottom <= top
    if not empty and left >= 0 and top >= 0 and right <= width + 1 and bottom <= height + 1:
        return left, top, right, bottom
    written = f"box ({left:g}, {top:g}, {right:g}, {bottom:g}) of `{item.findtext('name')}`"
    if empty:
        raise DataError(
            annotation, f"{written} is empty", "Correct it (xmin < xmax, ymin < ymax) or remove the object."
        )
    raise DataError(annotation, f"{written} leaves its {width}x{height} image", "Correct the box or the size.")


def _number(annotation: Path, element: ET.Element, path: str) -> float:
    # One name at a time: the parser in C looks up names, paths go through Python, and VOC has 300,000 of them.
    parent, name = path.split("/")
    inner = element.find(parent)
    text = (inner is not None and inner.findtext(name)) or "missing"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(annotation, f"<{path}> is {text.strip()}, not a number", "Unpack it again or correct it.")
    return value


def _lists(config: DetectionTask, root: Path) -> list[Listed]:
    """The lists to train on and, last, the one to test on."""
    found = {name: listed(root, name) for name in (*config.sets.train, config.sets.test)}
    photographs = {name: {each.image(item): item for item in each.names} for name, each in found.items()}
    check_apart(config.sets, {name: each.file for name, each in found.items()}, photographs)
    return list(found.values())


def load(config: DetectionTask, root: Path) -> Labels:
    """The labels of the images to train on (those with an object) and of all to test on. Opens no image.

    Raises:
        DataError: naming the first file or folder at fault: one that is missing, an annotation that is broken, names
            an unknown class or has an impossible box, training lists without an object, one that stands twice, an image
            to train on that is tested on.
    """
    loaded = []
    for images in _lists(config, root):
        check_files(images)
        loaded.append(read_all(images))
    *train, test = loaded
    with_objects = [image for images in train for image in images if image.labels]
    if not with_objects:
        lists = ", ".join(config.sets.train)
        raise DataError(root, f"no image of {lists} has an object", "Label some, or name other lists in `sets.train`.")
    return Labels(with_objects, test, tuple(Category(*pair) for pair in enumerate(CLASSES)))


def check(config: DetectionTask, root: Path) -> None:
    """The task's data below ``root`` can be trained and tested on, as far as lists and annotations tell.

    Raises:
        DataError: as `load`.
    """
    load(config, root)


def counts(config: DetectionTask, root: Path) -> dict[str, int]:
    """Set → images that its list names.

    Raises:
        DataError: as `listed`.
    """
    return {name: len(listed(root, name).names) for name in (*config.sets.train, config.sets.test)}


def fingerprint(config: DetectionTask, root: Path) -> str:
    """One hash of the task's data: names and sizes of images, contents of lists and annotations.

    The same files below ``root`` and below ``root/VOCdevkit`` are the same data. Only sound data has a fingerprint:
    jobs are planned by it, and a bad label should stop the plan, not every job of it after its pre-training.

    Raises:
        DataError: as `load`.
    """
    check(config, root)
    parts = []
    for name, images in zip((*config.sets.train, config.sets.test), _lists(config, root), strict=True):
        photographs = [images.image(item) for item in images.names]
        annotations = [images.annotation(item) for item in images.names]
        parts.append([name, fingerprint_files(images.folder, photographs, [images.file, *annotations])])
    return digest(parts)
