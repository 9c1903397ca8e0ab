"""Do the VOC files agree? Boxes are held against the scene's geometry and the masks, masks against classes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from transfer.scenes.classes import CLASSES
from transfer.scenes.files import Tick
from transfer.scenes.layout import Layout, layout
from transfer.scenes.polygons import box
from transfer.scenes.reading import fault, read_image, require
from transfer.scenes.spec import SceneSpec
from transfer.scenes.voc import VOID, lists, stem

NUMBERS = {each.name: index + 1 for index, each in enumerate(CLASSES)}


class Box(NamedTuple):
    """One object of an XML file: class number and extent in pixels counted from 0, ends excluded."""

    number: int
    left: int
    top: int
    right: int
    bottom: int


def check_lists(root: Path, spec: SceneSpec) -> None:
    """Check every file of ``ImageSets``.

    Raises:
        DataError: one is missing or lists other pictures.
    """
    for name, expected in lists(spec).items():
        path = root / f"{name}.txt"
        require(path.is_file(), path, "is missing")
        require(path.read_text(encoding="utf-8").split() == expected, path, "does not list the split's pictures")


def check_split(root: Path, split: str, count: int, tick: Tick, year: str, spec: SceneSpec) -> None:
    """Check every file of each picture.

    Raises:
        DataError: at the first fault.
    """
    home = root / f"VOC{year}"
    for index in range(count):
        name = stem(year, split, index)
        xml = home / "Annotations" / f"{name}.xml"
        shape, objects = _read(xml)
        geometry = layout(spec, f"voc{year}/{split}", index)
        _check_boxes(xml, objects, [_box(geometry, place) for place in range(len(geometry.things))])
        read_image(home / "JPEGImages" / f"{name}.jpg", ("RGB",), shape)
        augmented = home / "SegmentationClassAug" / f"{name}.png"
        if split == "aug":
            _check_classes(xml, objects, augmented, read_image(augmented, ("P",), shape))
        else:
            path = home / "SegmentationObject" / f"{name}.png"
            instances = read_image(path, ("P",), shape)
            _check_masks(xml, objects, path, instances)
            expected = np.zeros(256, np.uint8)
            expected[1 : len(objects) + 1] = [each.number for each in objects]
            expected[VOID] = VOID
            copies = [home / "SegmentationClass" / f"{name}.png", *([augmented] if year == "2012" else [])]
            for copy in copies:
                agree = np.array_equal(read_image(copy, ("P",), shape), expected[instances])
                require(agree, copy, f"disagrees with the objects of {path.parent.name} and {xml.name}")
        tick()


def _box(geometry: Layout, place: int) -> Box:
    x, y, width, height = box(geometry.mask(place))
    return Box(geometry.things[place].label + 1, x, y, x + width, y + height)


def _read(xml: Path) -> tuple[tuple[int, int], list[Box]]:
    """Height and width, and the objects, of an XML file."""
    try:
        root = ElementTree.parse(xml).getroot()
        shape = (int(root.findtext("size/height", "")), int(root.findtext("size/width", "")))
        objects = [
            Box(
                NUMBERS[each.findtext("name", "")],
                int(each.findtext("bndbox/xmin", "")) - 1,
                int(each.findtext("bndbox/ymin", "")) - 1,
                int(each.findtext("bndbox/xmax", "")),
                int(each.findtext("bndbox/ymax", "")),
            )
            for each in root.iter("object")
        ]
    except FileNotFoundError:
        raise fault(xml, "is missing") from None
    except (ElementTree.ParseError, ValueError, KeyError) as error:
        raise fault(xml, f"is not a VOC annotation ({error!r})") from None
    for place, (_, left, top, right, bottom) in enumerate(objects):
        inside = 0 <= left < right <= shape[1] and 0 <= top < bottom <= shape[0]
        require(inside, xml, f"object {place + 1} has an empty box or one outside the picture")
    return shape, objects


def _check_boxes(xml: Path, objects: list[Box], expected: list[Box]) -> None:
    """The objects are those of the scene's geometry: a void border hides the mask's own extent from view."""
    require(len(objects) == len(expected), xml, f"has {len(objects)} objects but its scene has {len(expected)}")
    for place, (found, true) in enumerate(zip(objects, expected, strict=True)):
        require(found == true, xml, f"object {place + 1} is {found} but in its scene {true}")


def _check_masks(xml: Path, objects: list[Box], path: Path, instances: NDArray[np.uint8]) -> None:
    """There is a mask for each object, within its box."""
    numbers = set(np.unique(instances).tolist()) - {0, VOID}
    require(
        numbers == set(range(1, len(objects) + 1)), path, f"holds objects {sorted(numbers)}, not those of {xml.name}"
    )
    for place, (_, left, top, right, bottom) in enumerate(objects):
        mask = instances == place + 1
        within = np.count_nonzero(mask[top:bottom, left:right]) == np.count_nonzero(mask)
        require(within, path, f"the mask of object {place + 1} leaves its box in {xml.name}")


def _check_classes(xml: Path, objects: list[Box], path: Path, labels: NDArray[np.uint8]) -> None:
    """The pixels of each class extend exactly as far as the boxes of that class together."""
    found = set(np.unique(labels).tolist()) - {0}
    require(found == {each.number for each in objects}, path, f"holds other classes than {xml.name}")
    for number in sorted(found):
        boxes = np.array([each[1:] for each in objects if each.number == number])
        together = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())
        rows, columns = np.flatnonzero((labels == number).any(axis=1)), np.flatnonzero((labels == number).any(axis=0))
        extent = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        require(together == extent, path, f"class {number} extends over {extent} but its boxes over {together}")
