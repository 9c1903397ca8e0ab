"""The audit of a data root: which sets there are, what is wrong with them, which task has all it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ground.errors import DataError
from ground.progress import Report
from transfer import data
from transfer.audit import lists, official, overlaps
from transfer.audit.files import look_into
from transfer.audit.findings import Finding, Unit
from transfer.config import TaskConfig
from transfer.layouts.label_maps import WithSets

SAMPLE = 200
"""Photographs of each set that are decoded unless all are."""
Read = tuple[TaskConfig, list[Unit], Unit]
"""A task with the sets it is trained on and the one it is tested on."""
Reporter = Callable[[str], AbstractContextManager[Report]]
"""Given a title, a listener for one piece of work."""
UNASKED = (("cityscapes", "cityscapes/test"), ("voc_maps", "VOC2012/trainaug"))
"""Sets that no task of ours reads: looked at where they are there."""


@dataclass
class Purpose:
    """A task, or images to pre-train on, and the sets it rests on."""

    title: str
    units: list[Unit]
    findings: list[Finding] = field(default_factory=list)
    """Of the task as a whole."""
    test: Unit | None = None
    """The one of ``units`` that a task is tested on."""

    @property
    def state(self) -> str:
        """``ready``, or what lacks."""
        absent = [unit.name for unit in self.units if unit.absent]
        if absent:
            return f"not there: {', '.join(dict.fromkeys(absent))}"
        faulty = [unit.name for unit in self.units if unit.faults]
        return f"at fault: {', '.join(dict.fromkeys(faulty))}" if faulty else "at fault" if self.findings else "ready"

    @property
    def without(self) -> str:
        """The option that leaves out training sets that are not there, if something to train and to test on is left."""
        there = [unit.name for unit in self.units if unit is not self.test and not unit.absent]
        if self.test is None or self.test.absent or not there or len(there) == len(self.units) - 1:
            return ""
        return f"--set '{self.title}.sets.train=[{', '.join(there)}]'"


@dataclass(frozen=True)
class Audit:
    """What was found below a root."""

    root: Path
    units: list[Unit]
    purposes: list[Purpose]

    @property
    def findings(self) -> dict[Finding, list[str]]:
        """Each once, sorted by kind and file → names of the sets or tasks it concerns."""
        found: dict[Finding, list[str]] = {}
        for owner, findings in [
            *((unit.name, unit.findings) for unit in self.units),
            *((purpose.title, purpose.findings) for purpose in self.purposes),
        ]:
            for finding in findings:
                names = found.setdefault(finding, [])
                if owner not in names:
                    names.append(owner)
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class Wanted:
    """What to look at and how."""

    tasks: Sequence[TaskConfig]
    folders: Mapping[str, Sequence[Path]]
    """Title → folders of images to pre-train on."""
    generated: bool = False
    """Whether the data are generated scenes, which have no official number."""
    full: bool = False
    strict: bool = False
    workers: int = 1


def audit(root: Path, wanted: Wanted, images: Mapping[Path, list[Path]], reporter: Reporter) -> Audit:
    """Everything that can be said of the data below ``root``.

    Args:
        root: the folder of the data sets.
        wanted: tasks and folders.
        images: folder to pre-train on → its image files; a folder that is not there is left out.
        reporter: hears of every set that is read, every file that is looked into and every task that is asked.

    Raises:
        DataError: ``root`` is no folder of data sets.
    """
    data.check_root(root)
    units: dict[tuple[str, str], Unit] = {}
    tasks: list[Read] = []
    with reporter(f"read lists and annotations below {root}") as report:
        for step, task in enumerate(wanted.tasks, 1):
            tasks.append((task, *_sets(task, root, units)))
            report(step, len(wanted.tasks))
    purposes = [Purpose(task.name, [*train, test], test=test) for task, train, test in tasks]
    for title, folders in wanted.folders.items():
        purposes.append(Purpose(title, [_folder(root, path, images, units) for path in folders]))
    _unasked(root, tasks, units)
    found = list(units.values())
    if not wanted.generated:
        for unit in found:
            lists.count(unit, strict=wanted.strict)
    sample = None if wanted.full else SAMPLE
    with reporter(f"look into files below {root}") as report:
        digests = look_into(found, sample=sample, digest=wanted.full, workers=wanted.workers, report=report)
    _overlaps(tasks, found, digests)
    ready = [(read[0], purpose) for read, purpose in zip(tasks, purposes, strict=False) if purpose.state == "ready"]
    with reporter("ask what a plan will ask") as report:
        for step, (task, purpose) in enumerate(ready, 1):
            _ask(task, purpose, root)
            report(step, len(ready))
    return Audit(root, found, purposes)


def _sets(task: TaskConfig, root: Path, units: dict[tuple[str, str], Unit]) -> tuple[list[Unit], Unit]:
    """The sets a task is trained on and the one it is tested on; a set that another task reads is the same one."""
    if not lists.known(task.layout):  # of another package: its own check has to do
        key = (task.layout, task.name)
        units.setdefault(key, Unit(*key))
        return [], units[key]
    sets = cast(WithSets, task).sets

    def unit(name: str) -> Unit:
        key = (task.layout, name)
        if key not in units:
            units[key] = lists.unit(root, *key)
        return units[key]

    return [unit(name) for name in sets.train], unit(sets.test)


def _folder(root: Path, path: Path, images: Mapping[Path, list[Path]], units: dict[tuple[str, str], Unit]) -> Unit:
    """A folder of images to pre-train on."""
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    key = ("images", name)
    if key not in units:
        units[key] = Unit(*key, folder=path, images=list(images.get(path, ())))
        if path not in images:
            units[key].absent = f"{path} is not there. {official.remedy(root, *key)}"
        elif not images[path]:
            units[key].find("nothing in it", path, "holds no image", official.remedy(root, *key))
    return units[key]


def _unasked(root: Path, tasks: Sequence[Read], units: dict[tuple[str, str], Unit]) -> None:
    """Sets that no task reads, if they are there and their data set is one that is asked for."""
    layouts = {task.layout for task, _, _ in tasks}
    for key in UNASKED:
        if key[0] in layouts and key not in units:
            unit = lists.unit(root, *key)
            if not unit.absent:
                units[key] = unit


def _overlaps(tasks: Sequence[Read], units: Sequence[Unit], digests: Mapping[Path, str]) -> None:
    """Note photographs that are where they should not be."""
    for _, train, test in tasks:
        overlaps.among(train)
        for each in train:
            overlaps.between(each, test, digests)
    for unit in units:
        overlaps.within(unit, digests)
        if unit.layout == "images":
            for test in dict.fromkeys(test for _, _, test in tasks):
                overlaps.with_pretraining(unit, test, digests)


def _ask(task: TaskConfig, purpose: Purpose, root: Path) -> None:
    """What the plan will ask, so that ``ready`` is not said of what it refuses."""
    try:
        data.check(task, root)
    except DataError as error:
        purpose.findings.append(Finding.of("refused", error))
