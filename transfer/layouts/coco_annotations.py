"""The objects of a COCO annotation file, each checked as it is read. Light: imports no torch."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ground.errors import DataError
from transfer.layouts.record import Box, Outline

REMEDY = "Correct the annotation, or remove it."
RunLengths = Mapping[str, Any]
"""``size`` [height, width] and ``counts``, a list or pycocotools' string."""
Sizes = Mapping[int, tuple[int, int]]
"""Width and height of an image by its id."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object. Its mask is one of polygons and run lengths; neither where masks are not asked for."""

    number: int
    """The annotation's id."""
    label: int
    box: Box
    """x, y, width, height as written."""
    area: float
    """Of its mask, in pixels: what the evaluator calls small and large by."""
    crowd: bool
    polygons: Outline | None
    runs: RunLengths | None


def read_annotations(
    file: Path, items: Sequence[dict[str, Any]], sizes: Sizes, numbers: Mapping[int, int], *, masks: bool
) -> dict[int, list[Annotation]]:
    """The objects of every image that has some, by its id and in the file's order.

    Args:
        file: where they are from, for errors.
        items: the file's ``annotations``.
        sizes: every image of the file.
        numbers: the class of every category id.
        masks: whether objects must have a mask; without, masks are not read.

    Raises:
        DataError: a field is missing or of another kind, an id is given twice, an image or a category is unknown, a box
            has nothing in its image, a mask has no polygon of three points, leaves its image by more than the image's
            size, or has runs that do not fill it.
    """
    found: dict[int, list[Annotation]] = {}
    seen: set[int] = set()
    for item in items:
        each = read_annotation(item, sizes, numbers, seen, masks=masks)
        if isinstance(each, str):
            raise DataError(file, each, REMEDY)
        seen.add(each.number)
        found.setdefault(item["image_id"], []).append(each)
    return found


def read_annotation(
    item: dict[str, Any], sizes: Sizes, numbers: Mapping[int, int], seen: Collection[int], *, masks: bool
) -> Annotation | str:
    """One object, or what is wrong with it; ``seen`` are the ids of those before it, the rest as `read_annotations`."""
    try:
        problem = _fault(item, sizes, numbers, seen)
        if problem is None:
            return _annotation(item, sizes[item["image_id"]], numbers, masks=masks)
    except OverflowError:  # of a whole number of hundreds of digits
        problem = "has a number that is too large"
    except (KeyError, ValueError) as error:
        problem = f"lacks `{error.args[0]}`" if isinstance(error, KeyError) else str(error)
    return f"annotation {item.get('id')} {problem}"


def _fault(item: dict[str, Any], sizes: Sizes, numbers: Mapping[int, int], seen: Collection[int]) -> str | None:
    """What the annotation refers to in vain."""
    if not isinstance(item["id"], int):
        return "has an id that is no whole number"
    if item["id"] in seen:
        return "has the id of another one"
    for sort, known in (("image", sizes), ("category", numbers)):
        number = item[f"{sort}_id"]
        if not isinstance(number, int):
            return f"has {sort}_id {number!r}, no whole number"
        if number not in known:
            return f"is of unknown {sort} {number}"
    return None


def _annotation(item: dict[str, Any], size: tuple[int, int], numbers: Mapping[int, int], *, masks: bool) -> Annotation:
    """One object whose references are sound; ValueError says what else is wrong with it."""
    box, area, crowd = _box(item["bbox"], size), item["area"], item.get("iscrowd", 0)
    if not isinstance(area, int | float) or not math.isfinite(area):
        raise ValueError(f"has area {area!r}, no number")
    if area < 0:
        raise ValueError(f"has the negative area {area}")
    if crowd not in (0, 1):
        raise ValueError(f"has iscrowd {crowd!r}, neither 0 nor 1")
    segmentation = item["segmentation"] if masks else None
    runs = _runs(segmentation, size) if isinstance(segmentation, dict) else None
    polygons = _polygons(segmentation, size) if masks and runs is None else None
    return Annotation(item["id"], numbers[item["category_id"]], box, float(area), bool(crowd), polygons, runs)


def _box(written: Any, size: tuple[int, int]) -> Box:
    """x, y, width, height. May leave the image in part, or be without an area: loaders clip and drop those."""
    sides = [float(side) for side in written if isinstance(side, int | float)] if isinstance(written, list) else []
    if len(sides) != 4 or len(written) != 4 or not all(map(math.isfinite, sides)):
        raise ValueError(f"has bbox {written!r}, not four numbers")
    x, y, width, height = sides
    if width < 0 or height < 0:
        raise ValueError(f"has bbox {written} of negative size")
    if x > size[0] or y > size[1] or x + width < 0 or y + height < 0:
        raise ValueError(f"has bbox {written} outside its {size[0]}x{size[1]} image")
    return x, y, width, height


def _polygons(written: Any, size: tuple[int, int]) -> Outline:
    if not isinstance(written, list):
        raise ValueError("has a segmentation that is neither polygons nor run lengths")
    try:
        rings = tuple(array("d", ring) for ring in written if len(ring) >= 6 and len(ring) % 2 == 0)
    except TypeError:
        raise ValueError("has a polygon that is not a list of numbers") from None
    if not all(math.isfinite(sum(ring)) for ring in rings):
        raise ValueError("has a polygon with a number that is not finite")
    if not rings:
        raise ValueError("has no polygon of three points")
    if not all(_near(ring, size) for ring in rings):
        raise ValueError(f"has a polygon far outside its {size[0]}x{size[1]} image")
    return rings


def _near(ring: Sequence[float], size: tuple[int, int]) -> bool:
    """No corner is further outside the image than it is wide and high: pycocotools walks from corner to corner pixel by
    pixel, and one at 1e8 takes its process down."""
    (width, height), lowest, highest = size, min(ring), max(ring)
    least = min(width, height)
    if lowest >= -least and highest <= 2 * least:  # nearly all: nothing to take apart
        return True
    x, y = ring[::2], ring[1::2]
    return min(x) >= -width and max(x) <= 2 * width and min(y) >= -height and max(y) <= 2 * height


def _runs(written: dict[str, Any], size: tuple[int, int]) -> RunLengths:
    counts, (width, height) = written["counts"], size
    if written["size"] != [height, width]:
        raise ValueError(f"has a mask of size {written['size']} where its image is {[height, width]}")
    if not isinstance(counts, list | str):
        raise ValueError("has run lengths that are neither a list nor text")
    if isinstance(counts, list) and not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("has a run length that is no whole number from 0 on")
    lengths = counts if isinstance(counts, list) else _unpacked(counts)
    if min(lengths, default=0) < 0 or sum(lengths) != width * height:
        raise ValueError("has run lengths that do not fill its image")
    return written


def _unpacked(text: str) -> list[int]:
    """Run lengths of pycocotools' text: five bits a character from ``0`` on, the lowest first, a sixth if more follow;
    signed, and from the fourth on the difference to the one before the last (``maskApi.c``, ``rleFrString``)."""
    lengths: list[int] = []
    value = shift = 0
    for sign in text:
        bits = ord(sign) - ord("0")
        if not 0 <= bits < 64:
            raise ValueError(f"has run lengths with `{sign}`, which pycocotools does not write")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("has run lengths that break off")
    return lengths
