"""Scenes in the layout of COCO 2017."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ground.processes import Map
from ground.seeding import generator
from transfer.scenes.classes import CLASSES
from transfer.scenes.coco_categories import categories
from transfer.scenes.draw import picture
from transfer.scenes.files import Tick, save_jpeg, save_json
from transfer.scenes.layout import Layout, layout
from transfer.scenes.polygons import Mask, box, polygons, run_lengths
from transfer.scenes.spec import SceneSpec

SPLITS = ("train2017", "val2017", "unlabeled2017")
CROWDS = 0.15
"""Probability that a class with several objects in a picture is annotated as one crowd."""


def image_id(split: str, index: int) -> int:
    """The id of a picture, unique over the splits and the same for every number of pictures."""
    return len(SPLITS) * index + SPLITS.index(split) + 1


def annotation_file(root: Path, split: str) -> Path:
    """The JSON of a split under the root of the set."""
    stem = "image_info" if split == "unlabeled2017" else "instances"
    return root / "coco" / "annotations" / f"{stem}_{split}.json"


Described = tuple[dict[str, Any], list[dict[str, Any]]]
"""An entry of ``images``, and its annotations."""


def write_split(root: Path, spec: SceneSpec, split: str, count: int, tick: Tick, each: Map) -> None:
    """Write pictures that are missing, then the annotations, which take geometry alone."""
    described = annotation_file(root, split).exists()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for scene in each(partial(_write_scene, root, spec, split, described), range(count)):
        if scene is not None:
            images.append(scene[0])
            annotations += scene[1]
        tick()
    if not described:
        info = {"description": "Generated scenes", "version": str(spec.version), "year": 2017}
        content = {"info": info, "licenses": [{"id": 1, "name": "Apache License 2.0", "url": ""}]}
        listed = {"images": images, "categories": categories()}
        if split != "unlabeled2017":
            listed["annotations"] = annotations
        save_json(annotation_file(root, split), content | listed)


def _write_scene(root: Path, spec: SceneSpec, split: str, described: bool, index: int) -> Described | None:
    """Write a picture that is missing; its part of the annotations, unless they are ``described`` already."""
    number = image_id(split, index)
    path = root / "coco" / split / f"{number:012d}.jpg"
    if described and path.exists():
        return None
    geometry = layout(spec, f"coco/{split}", index)
    if not path.exists():
        save_jpeg(path, picture(spec, f"coco/{split}", index, geometry))
    if described:
        return None
    height, width = geometry.instances.shape
    image = {"id": number, "file_name": path.name, "height": height, "width": width, "license": 1}
    if split == "unlabeled2017":
        return image, []
    return image, _annotations(geometry, number, _crowd(spec, split, index, geometry))


def _crowd(spec: SceneSpec, split: str, index: int, geometry: Layout) -> int | None:
    """The class whose objects in this picture are annotated as one crowd, if any."""
    labels = [thing.label for thing in geometry.things]
    several = sorted({label for label in labels if labels.count(label) > 1})
    rng = generator("scene", spec.version, spec.seed, "crowd", split, index)
    return several[int(rng.integers(len(several)))] if several and rng.random() < CROWDS else None


def _annotations(geometry: Layout, number: int, crowd: int | None) -> list[dict[str, Any]]:
    """One annotation for each object, but one for all objects of the ``crowd`` class together."""
    single = [(thing.label, geometry.mask(k)) for k, thing in enumerate(geometry.things) if thing.label != crowd]
    described = [_annotation(label, mask, polygons(mask)) for label, mask in single]
    if crowd is not None:
        members = [k + 1 for k, thing in enumerate(geometry.things) if thing.label == crowd]
        mask = np.isin(geometry.instances, members)
        described.append(_annotation(crowd, mask, {"counts": run_lengths(mask), "size": list(mask.shape)}))
    for place, annotation in enumerate(described):
        annotation |= {"id": 100 * number + place + 1, "image_id": number}
    return described


def _annotation(label: int, mask: Mask, segmentation: list[list[int]] | dict[str, Any]) -> dict[str, Any]:
    return {
        "category_id": CLASSES[label].coco,
        "segmentation": segmentation,
        "area": int(np.count_nonzero(mask)),
        "bbox": list(box(mask)),
        "iscrowd": int(isinstance(segmentation, dict)),
    }
