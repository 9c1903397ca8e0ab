"""Prove that a set of generated scenes agrees with itself: pictures, boxes, masks and lists."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ground.progress import Report
from transfer.scenes import check_coco, check_maps, check_voc
from transfer.scenes.spec import splits
from transfer.scenes.write import counter, load


def check(root: Path, report: Report) -> None:
    """Read every file of the set under ``root``; no picture is drawn again.

    Raises:
        DataError: at the first fault, naming the file.
    """
    spec = load(root)
    checks: dict[str, Callable[..., None]] = {
        "coco": check_coco.check_split,
        "voc2007": partial(check_voc.check_split, year="2007", spec=spec),
        "voc2012": partial(check_voc.check_split, year="2012", spec=spec),
        "cityscapes": check_maps.check_cityscapes,
        "ade20k": check_maps.check_ade20k,
    }
    tick = counter(spec, report)
    check_voc.check_lists(root, spec)
    for name, count in splits(spec).items():
        layout, split = name.split("/")
        checks[layout](root=root, split=split, count=count, tick=tick)
