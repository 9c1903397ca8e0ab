"""What a plan departs in from the paper's data and protocols, whatever its profile: then no value is compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ground.config import digest
from harness.datasets import Cache
from harness.jobs import Job
from harness.plan import Plan
from harness.store import Store

Counts = dict[str, int]
"""Set → images."""


def found(plan: Plan, store: Store) -> list[str]:
    """In a few words each. Images are counted once and remembered beside the data's fingerprint.

    Raises:
        DataError: a list that was sound when the jobs were planned is so no more.
    """
    generated = ["generated scenes"] if plan.source.generated else []
    images = ["pre-trained on other images"] if plan.source.images else []
    tuned = {job.task: job for job in plan.jobs if job.kind == "transfer"}
    numbers = [] if plan.source.generated else _numbers(plan, tuned, Cache(store.root))
    return [*generated, *images, *numbers, *_given_up(tuned)]


def _numbers(plan: Plan, tuned: Mapping[str | None, Job], cache: Cache) -> list[str]:
    """Sets that have not as many images as their publishers give out, each once."""
    from pretrain import data as images
    from transfer import data, tasks

    def count_images(folder: Path) -> Counts:
        return {f"coco/{folder.name}": images.check([folder])}

    lines = []
    if not plan.source.images:
        places = [job.data["folders"] for job in plan.jobs if job.kind == "pretrain"]
        for folder in dict.fromkeys(Path(folder) for several in places for folder in several):
            lines += data.unofficial("images", _kept(cache, folder, ["images"], partial(count_images, folder)))
    for job in tuned.values():
        config, root = tasks.parse(job.config, job.name), Path(job.data["root"])
        counted = _kept(cache, root, [job.task, job.data["fingerprint"]], partial(data.counts, config, root))
        lines += data.unofficial(config.layout, counted)
    return list(dict.fromkeys(lines))


def _kept(cache: Cache, place: Path, what: list[object], count: Callable[[], Counts]) -> Counts:
    name = digest(["counts", str(place.absolute()), *what])
    counted: Counts = json.loads(cache.get(name, [place], lambda: json.dumps(count())))
    return counted


def _given_up(tuned: Mapping[str | None, Job]) -> list[str]:
    """What the tasks' processes could not meet of their protocols."""
    from transfer import protocol, tasks

    shares = [
        protocol.share(tasks.parse(job.config, job.name), tool=job.tool or "", device=job.device_class)
        for job in tuned.values()
    ]
    return [words for share in shares for words in share.given_up.values()]
