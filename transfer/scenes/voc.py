"""Scenes in the layouts of PASCAL VOC 2007 and 2012, with the augmented list of 2012."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ground.files import write_text
from ground.processes import Map
from transfer.scenes.classes import CLASSES, STUFF
from transfer.scenes.draw import picture
from transfer.scenes.files import Tick, save_jpeg, save_png
from transfer.scenes.layout import Layout, layout
from transfer.scenes.polygons import box
from transfer.scenes.spec import SceneSpec

VOID = 255
LEAST_SHARE = 0.004
"""Share of the picture under which an object is ``difficult``."""
LEAST_VISIBLE = 0.45
"""Visible share of an object under which it is ``difficult``."""
WHOLE = 0.9
"""Visible share of an object under which it is ``truncated``."""


def palette() -> bytes:
    """VOC's colour map (VOCdevkit, VOClabelcolormap.m): 256 RGB triples."""
    bits = np.arange(256)[:, None] >> np.array([0, 1, 2])
    colours = np.zeros((256, 3), np.uint8)
    for place in range(8):
        colours |= (((bits >> (3 * place)) & 1) << (7 - place)).astype(np.uint8)
    return colours.tobytes()


def stem(year: str, split: str, index: int) -> str:
    """The name of a picture, the same for every number of pictures."""
    if year == "2007":
        return f"{2 * index + ('trainval', 'test').index(split) + 1:06d}"
    return f"2012_{3 * index + ('train', 'val', 'aug').index(split) + 1:06d}"


def write_split(root: Path, spec: SceneSpec, split: str, count: int, tick: Tick, each: Map, *, year: str) -> None:
    """Write the files of each picture that are missing."""
    for _ in each(partial(_write_scene, root / f"VOC{year}", spec, year, split), range(count)):
        tick()


def _write_scene(home: Path, spec: SceneSpec, year: str, split: str, index: int) -> None:
    name, place = stem(year, split, index), (f"voc{year}/{split}", index)
    image, xml = home / "JPEGImages" / f"{name}.jpg", home / "Annotations" / f"{name}.xml"
    by_class, by_object = home / "SegmentationClass" / f"{name}.png", home / "SegmentationObject" / f"{name}.png"
    augmented = home / "SegmentationClassAug" / f"{name}.png"
    maps = [*([] if split == "aug" else [by_class, by_object]), *([augmented] if year == "2012" else [])]
    missing = [path for path in (image, xml, *maps) if not path.exists()]
    if not missing:
        return
    geometry = layout(spec, *place)
    border = void_border(geometry.instances)
    labels = geometry.semantic([0] * len(STUFF), range(1, len(CLASSES) + 1))
    content = {
        by_class: np.where(border, np.uint8(VOID), labels),
        by_object: np.where(border, np.uint8(VOID), geometry.instances),
        # The additional masks (SBD) have no void border; those of VOC's own pictures are VOC's.
        augmented: labels if split == "aug" else np.where(border, np.uint8(VOID), labels),
    }
    for path in missing:
        if path == image:
            save_jpeg(path, picture(spec, *place, geometry))
        elif path == xml:
            write_text(path, _annotation(f"VOC{year}", name, geometry, segmented=split != "aug"))
        else:
            save_png(path, content[path], palette())


def void_border(instances: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels (H, W) beside another object or the background; an object nothing else would be left of has none."""
    border = np.zeros(instances.shape, bool)
    down, along = instances[1:] != instances[:-1], instances[:, 1:] != instances[:, :-1]
    border[1:] |= down
    border[:-1] |= down
    border[:, 1:] |= along
    border[:, :-1] |= along
    thin = set(range(1, int(instances.max()) + 1)) - set(np.unique(instances[~border]).tolist())
    return border & ~np.isin(instances, list(thin))


def _annotation(folder: str, name: str, geometry: Layout, *, segmented: bool) -> str:
    """The XML of a picture; objects in the order of their numbers in SegmentationObject."""
    height, width = geometry.instances.shape
    root = ElementTree.Element("annotation")
    _add(root, folder=folder, filename=f"{name}.jpg")
    _add(ElementTree.SubElement(root, "source"), database="Generated scenes", annotation="exact", image="generated")
    _add(ElementTree.SubElement(root, "size"), width=width, height=height, depth=3)
    _add(root, segmented=int(segmented))
    for index, thing in enumerate(geometry.things):
        mask, visible = geometry.mask(index), geometry.visible(index)
        difficult = visible < LEAST_VISIBLE or np.count_nonzero(mask) < LEAST_SHARE * mask.size
        x, y, wide, high = box(mask)
        element = ElementTree.SubElement(root, "object")
        _add(element, name=CLASSES[thing.label].name, pose="Unspecified", truncated=int(visible < WHOLE))
        _add(element, difficult=int(difficult))
        # VOC counts pixels from 1 and its boxes include their last pixel.
        _add(ElementTree.SubElement(element, "bndbox"), xmin=x + 1, ymin=y + 1, xmax=x + wide, ymax=y + high)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent: ElementTree.Element, **texts: str | int) -> None:
    for tag, text in texts.items():
        ElementTree.SubElement(parent, tag).text = str(text)


def lists(spec: SceneSpec) -> dict[str, list[str]]:
    """Path below the root → names of pictures, for every file of ``ImageSets`` (without ``.txt``)."""
    seven = {split: [stem("2007", split, i) for i in range(n)] for split, n in spec.voc2007.model_dump().items()}
    twelve = {split: [stem("2012", split, i) for i in range(n)] for split, n in spec.voc2012.model_dump().items()}
    early = {"train": seven["trainval"][::2], "val": seven["trainval"][1::2], **seven}
    train, val, aug = twelve["train"], twelve["val"], twelve["aug"]
    found = {f"VOC2007/ImageSets/{kind}/{n}": names for kind in ("Main", "Segmentation") for n, names in early.items()}
    # The augmented pictures have boxes in VOC but no masks: they are in Main's lists and in no official mask list.
    late = {
        "Main/train": sorted(train + aug),
        "Main/val": val,
        "Main/trainval": sorted(train + val + aug),
        "Segmentation/train": train,
        "Segmentation/val": val,
        "Segmentation/trainval": sorted(train + val),
        "Segmentation/aug": aug,
        "Segmentation/train_aug": sorted(train + aug),
    }
    return found | {f"VOC2012/ImageSets/{name}": names for name, names in late.items()}


def write_lists(root: Path, spec: SceneSpec) -> None:
    """Write every file of ``ImageSets``."""
    for name, names in lists(spec).items():
        write_text(root / f"{name}.txt", "".join(f"{each}\n" for each in names))
