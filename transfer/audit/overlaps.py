"""Photographs that are in two sets: what is trained on and tested on, too, makes every number of the task a lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from transfer.audit.findings import Unit

Digests = Mapping[Path, str]
"""Photograph → SHA-256, of those that were read."""

LISTS = {"voc": "ImageSets/Main", "voc_maps": "ImageSets/Segmentation"}
"""Where the lists of a layout are that has some."""


def between(train: Unit, test: Unit, digests: Digests) -> None:
    """Note in ``train`` what ``test`` holds, too: the same file, the same name and size, or the same bytes."""
    for path, other, how in _both(train, test, digests):
        remedy = _off_the_list(train, test, path, other)
        made = f"is in {test.name}, too ({how}{'' if other == path else f' as {other}'})"
        train.find("trained on and tested on", path, made, remedy)


def with_pretraining(images: Unit, test: Unit, digests: Digests) -> None:
    """Note in ``images``, a folder to pre-train on, what a task is tested on: without labels, but not unseen."""
    for path, other, how in _both(images, test, digests):
        problem = f"is a test image of {test.name} ({how}, {other})"
        remedy = "Take it out of the folder, unless the comparison allows it."
        images.find("pre-trained on and tested on", path, problem, remedy, grave=False)


def _both(one: Unit, other: Unit, digests: Digests) -> list[tuple[Path, Path, str]]:
    """Photographs of ``one`` that ``other`` has, with the path there and what is the same."""
    names = {path.name: path for path in other.images}
    contents = {digests[path]: path for path in other.images if path in digests}
    found = []
    for path in one.images:
        twin = names.get(path.name)
        if twin is not None and path == twin:
            found.append((path, twin, "the same file"))
        elif path in digests and digests[path] in contents:
            found.append((path, contents[digests[path]], "the same content"))
        elif twin is not None and path not in digests and path.stat().st_size == twin.stat().st_size:
            found.append((path, twin, "the same name and size"))
    return found


def _off_the_list(train: Unit, test: Unit, path: Path, other: Path) -> str:
    """How to stop training on ``path``: where both sets are lists of one folder and name it alike, as a command."""
    if train.layout not in LISTS or train.folder is None:
        return f"Take {path.name} out of the training set."
    lists, one, tested = train.folder / LISTS[train.layout], train.name.split("/")[1], test.name.split("/")[1]
    if train.folder != test.folder or path != other:
        return f"Take {path.stem} off {lists / one}.txt."
    return f"Take its names off: cd {lists} && grep -vxFf {tested}.txt {one}.txt > new && mv new {one}.txt"


def among(sets: Sequence[Unit]) -> None:
    """Note photographs that stand in two training sets of one task: they weigh twice."""
    first: dict[Path, Unit] = {}
    for each in sets:
        for path in each.images:
            before = first.setdefault(path, each)
            if before is not each:
                remedy = f"Take it off one of the lists, unless {before.name} is meant to weigh more."
                each.find("trained on twice", path, f"is in {before.name}, too", remedy, grave=False)


def within(images: Unit, digests: Digests) -> None:
    """Note photographs of one set with the same bytes."""
    first: dict[str, Path] = {}
    for path in images.images:
        if path in digests:
            before = first.setdefault(digests[path], path)
            if before != path:
                problem = f"has the same content as {before.name}"
                images.find("twice in one set", path, problem, "Keep one; the official sets have a few.", grave=False)
