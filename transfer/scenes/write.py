"""Write a set of generated scenes; a call after a kill goes on where the last one ended."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from ground.cores import usable
from ground.errors import DataError
from ground.files import host, storage_errors, write_json
from ground.processes import mapped
from ground.progress import Report
from transfer.scenes.spec import SceneSpec, splits

DONE = "scenes.json"
BEGUN = "scenes.partial.json"
FEW = 400
"""Pictures that are drawn sooner than other processes start."""


def write(root: Path, spec: SceneSpec, report: Report) -> None:
    """Write the set under ``root`` unless it is there; ``root/scenes.json``, written last, says that it is whole.

    Raises:
        DataError: ``root`` holds another set of scenes, or something else.
        StorageError: the disk is full or not writable.
    """
    if _state(root, spec) == DONE:
        return
    write_json(root / BEGUN, spec.model_dump(mode="json"))
    _draw(root, spec, report)
    _sweep(root)
    write_json(root / DONE, spec.model_dump(mode="json"))
    with storage_errors(root):
        (root / BEGUN).unlink(missing_ok=True)


def load(root: Path) -> SceneSpec:
    """What the finished set under ``root`` is a function of.

    Raises:
        DataError: there is no finished set of this version.
    """
    if not (root / DONE).is_file():
        raise DataError(root, f"holds no whole set of generated scenes (no {DONE})", "Generate it (again).")
    return _read(root / DONE)


def _state(root: Path, spec: SceneSpec) -> str | None:
    """``DONE`` if the set is whole, ``BEGUN`` if part of it is there, None if nothing is."""
    # In this order another writer that ends just now is seen with one marker or the other.
    markers = [marker for marker in (BEGUN, DONE) if (root / marker).is_file()]
    if markers:
        there = _read(root / markers[-1])
        if there != spec:
            raise DataError(
                root,
                f"holds generated scenes of other settings ({_difference(there, spec)})",
                "Choose another folder or delete this one.",
            )
        return markers[-1]
    if root.exists() and not root.is_dir():
        raise DataError(root, "is not a folder", "Choose another path.")
    if root.is_dir() and any(not entry.name.startswith(f".{BEGUN}") for entry in root.iterdir()):
        raise DataError(root, "holds files that are not generated scenes", "Choose an empty or a new folder.")
    return None


def _difference(there: SceneSpec, here: SceneSpec) -> str:
    pairs = ((name, getattr(there, name), getattr(here, name)) for name in SceneSpec.model_fields)
    return "; ".join(f"{name}: {old} there, {new} asked for" for name, old, new in pairs if old != new)


def _read(marker: Path) -> SceneSpec:
    try:
        return SceneSpec.model_validate(json.loads(marker.read_text(encoding="utf-8")))
    except (ValidationError, ValueError):
        problem = "is broken or of another version of the scenes"
        raise DataError(marker, problem, "Choose another folder or delete this one.") from None


def _draw(root: Path, spec: SceneSpec, report: Report) -> None:
    from transfer.scenes import ade20k, cityscapes, coco, voc

    writers: dict[str, Callable[..., None]] = {
        "coco": coco.write_split,
        "voc2007": partial(voc.write_split, year="2007"),
        "voc2012": partial(voc.write_split, year="2012"),
        "cityscapes": cityscapes.write_split,
        "ade20k": ade20k.write_split,
    }
    tick = counter(spec, report)
    with mapped(usable() if sum(splits(spec).values()) > FEW else 1) as each:
        for name, count in splits(spec).items():
            layout, split = name.split("/")
            writers[layout](root=root, spec=spec, split=split, count=count, tick=tick, each=each)
    voc.write_lists(root, spec)


def counter(spec: SceneSpec, report: Report) -> Callable[[], None]:
    """A function to call after each picture of the set, which tells ``report``."""
    total, done = sum(splits(spec).values()), 0
    report(done, total)

    def tick() -> None:
        nonlocal done
        done += 1
        report(done, total)

    return tick


def _sweep(root: Path) -> None:
    """Remove what killed writers of this machine left behind: parts of files whose process is gone."""
    for part in root.rglob(".*.part"):
        machine, owner = part.name.split(".")[-3:-1]
        if machine == host() and not (owner.isdigit() and _alive(int(owner))):
            part.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
