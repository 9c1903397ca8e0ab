"""What a task reads from disk: is it all there, and what is it. Light: imports no torch."""

from __future__ import annotations

from pathlib import Path

from ground.config import digest
from ground.errors import DataError
from ground.fingerprint import fingerprint as fingerprint_files
from transfer import voc
from transfer.config import TaskConfig


def _lists(config: TaskConfig, root: Path) -> list[voc.Listed]:
    if not root.is_dir():
        raise DataError(root, "no such folder", "Set the data root to the folder that holds VOC2007.")
    if not any(root.iterdir()):
        raise DataError(root, "empty folder", "Unpack PASCAL VOC there, or set another data root.")
    return [voc.listed(root, name) for name in (*config.sets.train, config.sets.test)]


def check(config: TaskConfig, root: Path) -> None:
    """The task's lists are below ``root`` and every image they name has its files. Opens no image and no XML.

    Raises:
        DataError: naming the first file or folder at fault.
    """
    for images in _lists(config, root):
        voc.check(images)


def fingerprint(config: TaskConfig, root: Path) -> str:
    """One hash of the task's data: names and sizes of images, contents of lists and annotations.

    The same files below ``root`` and below ``root/VOCdevkit`` are the same data.

    Raises:
        DataError: as `check`.
    """
    parts = []
    for name, images in zip((*config.sets.train, config.sets.test), _lists(config, root), strict=True):
        voc.check(images)
        photographs = [images.image(item) for item in images.names]
        annotations = [images.annotation(item) for item in images.names]
        parts.append([name, fingerprint_files(images.folder, photographs, [images.file, *annotations])])
    return digest(parts)
