"""Looks into the files of all sets, each once, in several processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from ground.processes import mapped
from ground.progress import Report
from transfer.audit import look
from transfer.audit.findings import OTHERWISE, UNLABELLED, Finding, LabelMap, Size, Unit

Got = TypeVar("Got")
FEW = 400
"""Files that are read sooner than other processes start."""


def look_into(
    units: Sequence[Unit], *, sample: int | None, digest: bool, workers: int, report: Report
) -> dict[Path, str]:
    """Decode ``sample`` photographs of each set, and their label maps, and read every XML file; note what is found.

    Args:
        units: the sets; what is wrong with a file is noted in every set that has it.
        sample: photographs of a set; all if None.
        digest: whether to hash their bytes.
        workers: processes.
        report: hears of every file.

    Returns:
        Photograph → SHA-256, if asked for.
    """
    sampled = {id(unit): unit.sample(sample) for unit in units}
    images = list(dict.fromkeys(path for paths in sampled.values() for path in paths))
    chosen = set(images)
    maps = [(path, found) for unit in units for path, found in unit.maps.items() if found.image in chosen]
    annotations = list(dict.fromkeys((path, image) for unit in units for path, image in unit.annotations.items()))
    total, done = len(images) + len(maps) + len(annotations), 0
    report(0, total)

    def told(answers: Iterable[Got]) -> Iterator[Got]:
        nonlocal done
        for answer in answers:
            done += 1
            report(done, total)
            yield answer

    with mapped(workers if total > FEW else 1) as each:
        looked = dict(zip(images, told(each(partial(look.image, digest=digest), images)), strict=True))
        sizes = {path: found.size for path, found in looked.items()}
        mapped_labels = [(path, found, sizes.get(found.image)) for path, found in maps]
        of_maps = list(told(each(_label_map, mapped_labels)))
        of_boxes = list(told(each(_annotation, [(path, sizes.get(image)) for path, image in annotations])))
    findings: dict[Path, list[Finding]] = {path: found.findings for path, found in looked.items()}
    findings |= dict(zip([path for path, _ in maps], of_maps, strict=True))
    findings |= dict(zip([path for path, _ in annotations], of_boxes, strict=True))
    for unit in units:
        own = sampled[id(unit)]
        unit.looked_into, looked_at = len(own), set(own)
        for path in (*own, *unit.maps, *unit.annotations):
            unit.findings += findings.get(path, ())
        _judge_maps(unit, [path for path, found in unit.maps.items() if found.image in looked_at])
        _compare_sizes(unit, sizes)
    return {path: found.digest for path, found in looked.items() if found.digest}


def _judge_maps(unit: Unit, maps: Sequence[Path]) -> None:
    """What is remarked on each of the ``maps`` that were looked into is one fault of the set instead."""
    for kind, what in ((UNLABELLED, "no pixel of any has a class"), (OTHERWISE, "all seem to hold train ids")):
        alike = [finding for finding in unit.findings if finding.kind == kind]
        if maps and len(alike) == len(maps):
            unit.findings = [finding for finding in unit.findings if finding.kind != kind]
            folder = os.path.commonpath([path.parent for path in maps])
            problem = f"{what}, of {len(maps)} label maps looked into; {maps[0].name} {alike[0].problem}"
            unit.find("labels are not what the layout promises", folder, problem, unit.maps[maps[0]].remedy)


def _compare_sizes(unit: Unit, sizes: dict[Path, Size | None]) -> None:
    """Note photographs of another size than their annotations say."""
    for path, written in unit.sizes.items():
        size = sizes.get(path)
        if size is not None and size != written:
            problem = f"is {size[0]}x{size[1]} where its annotations say {written[0]}x{written[1]}"
            unit.find("image of another size", path, problem, "Take images and annotations from one release.")


def _label_map(given: tuple[Path, LabelMap, Size | None]) -> list[Finding]:
    return look.label_map(*given)


def _annotation(given: tuple[Path, Size | None]) -> list[Finding]:
    return look.annotation(*given)
