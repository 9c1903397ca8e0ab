"""What a COCO annotation file and its folder of images are, entry by entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ground.errors import DataError
from transfer.audit.findings import Finding, Unit
from transfer.layouts import coco, label_maps
from transfer.layouts.coco_annotations import REMEDY, Annotation, read_annotation

SUFFIXES = (".jpg", ".jpeg", ".png")
SHOWN = 12
"""Boxes without an area that are named."""


def coco_set(made: Unit, root: Path) -> None:
    """The images of ``coco/train2017`` and its instances.

    Raises:
        DataError: the folder or the annotations are not there.
    """
    images = coco.listed(root, made.name)
    made.folder = images.folder
    for path in (images.folder, images.file):
        if not path.exists():
            raise DataError(path, "is not there", "Unpack it.")
    try:
        contents = coco.contents(images.file)
        classes = coco.categories(images.file, contents["categories"])
    except DataError as error:
        made.findings.append(Finding.of("annotation file at fault", error))
        made.images = _on_disk(images.folder)
        return
    described = _images(made, images, contents["images"])
    numbers = {category.number: label for label, category in enumerate(classes)}
    _objects(made, images.file, contents["annotations"], described, numbers)


def _images(made: Unit, images: coco.Listed, items: list[dict[str, Any]]) -> dict[int, tuple[int, int]]:
    """Id → width and height of every sound entry; the others, and files that do not fit, are noted."""
    described: dict[int, tuple[int, int]] = {}
    names: dict[str, int] = {}
    for item in items:
        problem = coco.image_problem(item)
        if problem is None and item["id"] in described:
            problem = f"image id {item['id']} is given twice"
        elif problem is None and item["file_name"] in names:
            problem = f"images {names[item['file_name']]} and {item['id']} are both {item['file_name']}"
        if problem is not None:
            made.find("image entry at fault", images.file, problem, coco.AGAIN)
            continue
        described[item["id"]] = (item["width"], item["height"])
        names[item["file_name"]] = item["id"]
    paths = [images.folder / name for name in names]
    missing = set(label_maps.absent(paths))
    for path in sorted(missing):
        remedy = f"Unpack {images.split}.zip again, or take its entry out of the file."
        made.find("image missing", path, f"no such file, but {images.file.name} names it", remedy)
    made.images = sorted(path for path in paths if path not in missing)
    made.sizes = {images.folder / name: described[number] for name, number in names.items()}
    for path in _on_disk(images.folder):
        if path.name not in names:
            problem = f"has no entry in {images.file.name}: it is neither trained nor tested on"
            made.find("unlabelled image", path, problem, "Label it, or leave it for pre-training.", grave=False)
    return described


def _objects(
    made: Unit,
    file: Path,
    items: list[dict[str, Any]],
    sizes: dict[int, tuple[int, int]],
    numbers: dict[int, int],
) -> None:
    """Every annotation as its reader sees it."""
    seen: set[int] = set()
    labelled: set[int] = set()
    flat: list[int] = []
    for item in items:
        each = read_annotation(item, sizes, numbers, seen, masks=True)
        if isinstance(each, str):
            made.find("annotation at fault", file, each, REMEDY)
            continue
        seen.add(each.number)
        labelled.add(item["image_id"])
        if not _has_area(each):
            flat.append(each.number)
    if flat:
        named = ", ".join(map(str, flat[:SHOWN])) + (", …" if len(flat) > SHOWN else "")
        problem = f"{len(flat)} of {len(items)} boxes have no area (annotation {named}): they are not trained on"
        remedy = "Nothing: the official files have some, and detectron2 leaves them out, too."
        made.find("boxes without an area", file, problem, remedy, grave=False)
    if not labelled:
        made.find("annotation file at fault", file, "no image has an object", "Unpack the annotations again.")
    elif len(labelled) < len(sizes):
        problem = f"{len(sizes) - len(labelled)} of {len(sizes)} images have no object: they are tested, not trained on"
        made.find("images without an object", file, problem, "Nothing: the official files have some.", grave=False)


def _has_area(each: Annotation) -> bool:
    return each.box[2] > 0 and each.box[3] > 0


def _on_disk(folder: Path) -> list[Path]:
    return sorted(folder / name for name in label_maps.entries(folder) if Path(name).suffix.lower() in SUFFIXES)
