"""Scenes in the layout of ADE20k's scene-parsing challenge (150 classes)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ground.processes import Map
from transfer.scenes.classes import CLASSES, STUFF
from transfer.scenes.draw import picture
from transfer.scenes.files import Tick, save_jpeg, save_png
from transfer.scenes.layout import layout
from transfer.scenes.spec import SceneSpec

PREFIXES = {"training": "train", "validation": "val"}


def files(root: Path, split: str, index: int) -> tuple[Path, Path]:
    """Picture and label map; their names are the same for every number of pictures."""
    home, name = root / "ADEChallengeData2016", f"ADE_{PREFIXES[split]}_{index + 1:08d}"
    return home / "images" / split / f"{name}.jpg", home / "annotations" / split / f"{name}.png"


def write_split(root: Path, spec: SceneSpec, split: str, count: int, tick: Tick, each: Map) -> None:
    """Write the files of each picture that are missing; in the maps 0 is "other"."""
    for _ in each(partial(_write_scene, root, spec, split), range(count)):
        tick()


def _write_scene(root: Path, spec: SceneSpec, split: str, index: int) -> None:
    image, labels = files(root, split, index)
    if image.exists() and labels.exists():
        return
    geometry = layout(spec, f"ade20k/{split}", index)
    if not image.exists():
        save_jpeg(image, picture(spec, f"ade20k/{split}", index, geometry))
    if not labels.exists():
        save_png(labels, geometry.semantic([s.ade20k for s in STUFF], [c.ade20k for c in CLASSES]))
