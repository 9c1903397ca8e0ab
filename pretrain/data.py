"""The images a recipe learns from: folders of files, listed sorted, labels unused. Imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ground.errors import DataError
from ground.fingerprint import fingerprint as files_fingerprint
from pretrain.config import PretrainConfig

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
SETS = {"coco": ("train2017",), "coco+": ("train2017", "unlabeled2017")}


def folders(config: PretrainConfig, root: Path) -> list[Path]:
    """The image folders of the recipe's data set below a data root: COCO, or COCO+ (train and unlabeled).

    They are below ``root/coco``, or below ``root`` if that itself is COCO's folder, as detection has it.
    """
    names = SETS[config.data]
    home = root if not (root / "coco").is_dir() and (root / names[0]).is_dir() else root / "coco"
    return [home / name for name in names]


def images(folder: Path) -> Iterator[Path]:
    """Every image file below ``folder``, in an order that no file system decides.

    Raises:
        DataError: a folder that cannot be listed; left out silently it would change the data set.
    """
    for parent, below, files in os.walk(folder, onerror=_refuse):
        below.sort()
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in SUFFIXES:
                yield Path(parent, name)


def _refuse(error: OSError) -> None:
    raise DataError(error.filename, f"cannot be listed ({error.strerror})", "Mend its permissions, then run again.")


def check(image_folders: list[Path]) -> int:
    """The number of images in all folders.

    Raises:
        DataError: a folder is missing, is no folder, or holds no image.
    """
    count = 0
    for folder in image_folders:
        if not folder.is_dir():
            raise DataError(folder, "no such image folder", "Check --data / --pretrain-images, or DATA= of make.")
        found = sum(1 for _ in images(folder))
        if not found:
            raise DataError(folder, "holds no images", f"Put {', '.join(sorted(SUFFIXES))} files there.")
        count += found
    return count


def fingerprint(image_folders: list[Path]) -> str:
    """One hash over names and sizes of all images; where the folders lie does not matter.

    Raises:
        DataError: see ``check``.
    """
    check(image_folders)
    parts = [files_fingerprint(folder, images(folder)) for folder in image_folders]
    return parts[0] if len(parts) == 1 else "+".join(parts)
