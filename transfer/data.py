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


def load(config: TaskConfig, root: Path) -> tuple[list[voc.Labelled], list[voc.Labelled]]:
    """The labels of the images to train on (those with an object) and of all to test on. Opens no image.

    Raises:
        DataError: naming the first file or folder at fault: one that is missing, an annotation that is broken, names
            an unknown class or has an impossible box, training lists without an object.
    """
    loaded = []
    for images in _lists(config, root):
        voc.check(images)
        loaded.append(voc.load(images))
    *train, test = loaded
    with_objects = [image for images in train for image in images if image.labels]
    if not with_objects:
        lists = ", ".join(config.sets.train)
        raise DataError(root, f"no image of {lists} has an object", "Label some, or name other lists in `sets.train`.")
    return with_objects, test


def check(config: TaskConfig, root: Path) -> None:
    """The task's data below ``root`` can be trained and tested on, as far as lists and annotations tell.

    Raises:
        DataError: as `load`.
    """
    load(config, root)


def fingerprint(config: TaskConfig, root: Path) -> str:
    """One hash of the task's data: names and sizes of images, contents of lists and annotations.

    The same files below ``root`` and below ``root/VOCdevkit`` are the same data. Only sound data has a fingerprint:
    jobs are planned by it, and a bad label should stop the plan, not every job of it after its pre-training.

    Raises:
        DataError: as `load`.
    """
    check(config, root)
    parts = []
    for name, images in zip((*config.sets.train, config.sets.test), _lists(config, root), strict=True):
        photographs = [images.image(item) for item in images.names]
        annotations = [images.annotation(item) for item in images.names]
        parts.append([name, fingerprint_files(images.folder, photographs, [images.file, *annotations])])
    return digest(parts)
