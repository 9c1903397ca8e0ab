"""Which pictures a figure shows, and which of their pixels it marks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ground.errors import ConfigError, DataError
from harness.plan import Plan

SMALLEST = 0.04
"""Share of a picture that a marked object fills at least."""
LABELS = Path("coco", "annotations", "instances_val2017.json")
PICTURES = Path("coco", "val2017")


@dataclass(frozen=True)
class Marked:
    """A picture and the pixel (x, y) to mark in it."""

    path: Path
    pixel: tuple[float, float]


def asked(images: Sequence[str], pixels: Sequence[str]) -> list[Marked | Path]:
    """The pictures that were asked for, with their pixels where these were given, too.

    Raises:
        ConfigError: a picture that is not there, or pixels that do not go with the pictures.
        DataError: a picture that cannot be decoded.
    """
    marks = [_pixel(text) for text in pixels]
    paths = [Path(image) for image in images]
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"--images {path}", "no such file", "Check the path.")
    if marks and not paths:
        raise ConfigError(f"--pixels {pixels[0]}", "goes with no picture", "Name it: --images FILE.")
    if len(paths) == 1:
        paths *= max(len(marks), 1)
    if marks and len(marks) != len(paths):
        problem = f"{len(marks)} pixels for {len(paths)} pictures"
        raise ConfigError(f"--pixels {pixels[-1]}", problem, "Give one for each picture, or several of one picture.")
    return [_inside(path, mark) for path, mark in zip(paths, marks, strict=True)] if marks else [*paths]


def chosen(wished: Sequence[Marked | Path], plan: Plan, count: int) -> list[Marked]:
    """``wished``; without a wish the first ``count`` labelled pictures that nobody learns from. Where no pixel is
    given, the largest object is marked where it is thickest; the middle of a picture without labels.

    Raises:
        ConfigError: there is no picture.
        DataError: a picture or the labels cannot be read.
    """
    if not wished:
        return _default(plan, count)
    unmarked = any(isinstance(each, Path) for each in wished)
    known = {marked.path.resolve(): marked for marked in _labelled(plan.source.root)} if unmarked else {}
    return [each if isinstance(each, Marked) else known.get(each.resolve()) or _middle(each) for each in wished]


def _pixel(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--pixels {text}", "is not of the form X,Y", "Write e.g. --pixels 120,85") from None
    return x, y


def _inside(path: Path, pixel: tuple[float, float]) -> Marked:
    width, height = _size(path)
    if not (0 <= pixel[0] < width and 0 <= pixel[1] < height):
        problem = f"lies outside {path.name}, which has {width} x {height} pixels"
        raise ConfigError(f"--pixels {pixel[0]:g},{pixel[1]:g}", problem, "Count from 0 at the upper left.")
    return Marked(path, pixel)


def _middle(path: Path) -> Marked:
    width, height = _size(path)
    return Marked(path, (width / 2, height / 2))


def _size(path: Path) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(path, f"cannot be decoded ({error})", "Name another picture.") from None


def _default(plan: Plan, count: int) -> list[Marked]:
    from pretrain import data

    root = plan.source.root
    found = list(_labelled(root, count))
    if found:
        return found
    folders = [root / PICTURES] if (root / PICTURES).is_dir() else [Path(f) for f in plan.jobs[-1].data["folders"]]
    paths = [path for folder in folders for path, _ in zip(data.images(folder), range(count), strict=False)]
    if not paths:
        raise ConfigError("--images", "names no picture, and the data have none to show", "Give --images FILE.")
    return [_middle(path) for path in paths[:count]]


def _labelled(root: Path, count: int | None = None) -> Iterator[Marked]:
    """Pictures of COCO's validation set with their largest object, in the order of their names.

    The first ``count`` whose object is large enough, or all.
    """
    try:
        labels = json.loads((root / LABELS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise DataError(root / LABELS, f"unreadable ({error})", "Restore it, or give --images FILE.") from None
    largest: dict[int, dict[str, Any]] = {}
    for each in labels["annotations"]:
        best = largest.get(each["image_id"])
        if not each["iscrowd"] and (best is None or each["area"] > best["area"]):
            largest[each["image_id"]] = each
    given = 0
    for image in sorted(labels["images"], key=lambda image: str(image["file_name"])):
        thing, size = largest.get(image["id"]), (image["width"], image["height"])
        if thing is None or (count is not None and thing["area"] < SMALLEST * size[0] * size[1]):
            continue
        yield Marked(root / PICTURES / image["file_name"], _thickest(thing, *size))
        given += 1
        if given == count:
            return


def _thickest(thing: dict[str, Any], width: int, height: int) -> tuple[float, float]:
    """The pixel of an object that is farthest from its edge."""
    import numpy as np
    from pycocotools import mask as masks
    from scipy.ndimage import distance_transform_edt

    outline = masks.merge(masks.frPyObjects(thing["segmentation"], height, width))
    inside = np.pad(masks.decode(outline), 1)
    row, column = np.unravel_index(int(distance_transform_edt(inside).argmax()), inside.shape)
    return float(column - 1), float(row - 1)
