"""Where data sets lie below a data root, and whether a folder is one. Light: imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

from ground.errors import DataError
from transfer.layouts import ade20k, cityscapes

FOLDERS = (
    "coco",
    "VOC2007",
    "VOC2012",
    "VOCdevkit",
    *cityscapes.PLACES,
    *(place.split("/")[0] for place in ade20k.PLACES),
)
"""What a data root holds, one of them at least."""
_INSIDE = {
    "PASCAL VOC": ("JPEGImages", "ImageSets"),
    "Cityscapes": ("leftImg8bit", "gtFine"),
    "ADE20k": ("images/training", "annotations/training"),
}
"""Folders by which the inside of a data set is known."""


def check_root(root: Path) -> None:
    """The folder of the data sets is one, is not empty, and is not one too high or too low.

    Raises:
        DataError: it is not; says which folder may be meant.
    """
    remedy = "Set the data root to the folder that holds the data sets."
    if not root.is_dir():
        raise DataError(root, "is a file" if root.exists() else "no such folder", remedy)
    try:
        found = sorted(name for name in os.listdir(root) if (root / name).is_dir())
    except OSError as error:
        raise DataError(root, f"cannot be listed ({error.strerror})", "Mend its permissions.") from None
    if not any(root.iterdir()):
        raise DataError(root, "empty folder", "Unpack the data sets there, or set another data root.")
    if any((root / place).is_dir() for place in FOLDERS):
        return
    for data_set, parts in _INSIDE.items():
        if all((root / part).is_dir() for part in parts):
            raise DataError(root, f"is the folder of {data_set} itself", "Set the data root to the folder above it.")
    below = next((name for name in found for place in FOLDERS if _is_folder(root / name / place)), None)
    if below is not None:
        raise DataError(root, f"holds no data set, but {below}/ in it does", f"Set the data root to {root / below}.")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # not ours to read
        return False
