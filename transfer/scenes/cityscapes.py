"""Scenes in the layout of Cityscapes: street scenes with the nineteen evaluated classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ground.processes import Map
from transfer.scenes.classes import CLASSES, STUFF
from transfer.scenes.draw import picture
from transfer.scenes.files import Tick, save_json, save_png
from transfer.scenes.layout import Layout, layout
from transfer.scenes.polygons import polygons
from transfer.scenes.spec import SceneSpec

CITIES = {
    "train": ("aachen", "bochum", "bremen", "cologne", "darmstadt", "dusseldorf"),
    "val": ("frankfurt", "lindau", "munster"),
}
IGNORED = 255
OUT_OF_ROI = 3
"""Label of a frame around every picture, as rectification leaves it in the real ones; not evaluated."""
FRAME = 2
"""Width of that frame, pixels."""
TRAINED = {
    7: "road",
    8: "sidewalk",
    11: "building",
    12: "wall",
    13: "fence",
    17: "pole",
    19: "traffic light",
    20: "traffic sign",
    21: "vegetation",
    22: "terrain",
    23: "sky",
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
"""``id`` → name of the evaluated labels, in the order of their train ids (cityscapesscripts, helpers/labels.py)."""
COUNTED = frozenset(range(24, 34))
"""Labels whose pixels are told apart by instance: ``id * 1000 + number`` in instanceIds."""


def train_ids() -> NDArray[np.uint8]:
    """Table (256,): label id → train id, 255 where a label is not evaluated."""
    table = np.full(256, IGNORED, np.uint8)
    table[list(TRAINED)] = np.arange(len(TRAINED))
    return table


def stem(split: str, index: int) -> str:
    """``city/city_sequence_frame`` of a picture, the same for every number of pictures."""
    cities = CITIES[split]
    city = cities[index % len(cities)]
    return f"{city}/{city}_{index // len(cities):06d}_000019"


def files(root: Path, split: str, index: int) -> dict[str, Path]:
    """Kind of file → its path."""
    name, home = stem(split, index), root / "cityscapes"
    kinds = {"labelIds": "png", "labelTrainIds": "png", "instanceIds": "png", "polygons": "json"}
    found = {kind: home / "gtFine" / split / f"{name}_gtFine_{kind}.{suffix}" for kind, suffix in kinds.items()}
    return {"leftImg8bit": home / "leftImg8bit" / split / f"{name}_leftImg8bit.png", **found}


def write_split(root: Path, spec: SceneSpec, split: str, count: int, tick: Tick, each: Map) -> None:
    """Write the files of each picture that are missing."""
    for _ in each(partial(_write_scene, root, spec, split), range(count)):
        tick()


def _write_scene(root: Path, spec: SceneSpec, split: str, index: int) -> None:
    missing = {kind: path for kind, path in files(root, split, index).items() if not path.exists()}
    if not missing:
        return
    geometry = layout(spec, f"cityscapes/{split}", index)
    labels, instances = _maps(geometry)
    maps: dict[str, NDArray[Any]] = {
        "labelIds": labels,
        "labelTrainIds": train_ids()[labels],
        "instanceIds": instances,
    }
    for kind, path in missing.items():
        if kind == "leftImg8bit":
            save_png(path, picture(spec, f"cityscapes/{split}", index, geometry))
        elif kind == "polygons":
            save_json(path, _polygons(labels, instances))
        else:
            save_png(path, maps[kind])


def _maps(geometry: Layout) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """labelIds (H, W) and instanceIds (H, W)."""
    # None marks what `layout` never puts into a street.
    labels = geometry.semantic([kind.cityscapes or 0 for kind in STUFF], [each.cityscapes or 0 for each in CLASSES])
    frame = np.ones(labels.shape, bool)
    frame[FRAME:-FRAME, FRAME:-FRAME] = False
    labels[frame] = OUT_OF_ROI
    instances = labels.astype(np.uint16)
    seen = dict.fromkeys(COUNTED, 0)
    for index, thing in enumerate(geometry.things):
        label = CLASSES[thing.label].cityscapes
        if label in COUNTED:
            instances[geometry.mask(index) & ~frame] = label * 1000 + seen[label]
            seen[label] += 1
    return labels, instances


def _polygons(labels: NDArray[np.uint8], instances: NDArray[np.uint16]) -> dict[str, Any]:
    """The content of the polygon file; a region in several parts has several entries."""
    names, objects = TRAINED | {OUT_OF_ROI: "out of roi"}, []
    for number in np.unique(instances).tolist():
        name = names[number // 1000 or number]
        for ring in polygons(instances == number):
            corners = [list(corner) for corner in zip(ring[::2], ring[1::2], strict=True)]
            objects.append({"label": name, "polygon": corners})
    return {"imgHeight": labels.shape[0], "imgWidth": labels.shape[1], "objects": objects}
