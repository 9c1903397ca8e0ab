"""How a training's images are read: by how many processes, and from files or from a cache of decoded ones."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from ground import cores, distributed
from ground.errors import ConfigError
from ground.progress import Report
from pretrain import data
from pretrain.config import PretrainConfig, Train
from pretrain.views import cache as caching
from pretrain.views import region
from pretrain.views.pictures import Files, Pictures

log = logging.getLogger(__name__)
MOST_WORKERS = 16
"""More than these feed no GPU faster, and hold memory."""


def workers(settings: Train, device: torch.device) -> int:
    """Processes that cut views: as asked, else our cores but for those that train."""
    if settings.workers != "auto":
        return settings.workers
    own = cores.share()
    if device.type == "cuda":
        return min(max(own - 1, 1), MOST_WORKERS)
    return min(max(own - settings.threads, 0), 2)  # a step on a CPU takes longer than two processes need for its views


def pixels(
    config: PretrainConfig, images: list[Path], folders: list[Path], home: Path | None, report: Report
) -> Pictures:
    """The pixels of ``images``: decoded whenever they are asked for, or from a cache, made now if it is not there.

    Args:
        config: says whether to keep decoded images, and where.
        images: all images of ``folders``.
        folders: the image folders.
        home: where caches are if ``train.cache`` is ``store``.
        report: told at step 0 how many images are decoded.

    Raises:
        UserError: see ``cache.make``; ``store`` without a store.
    """
    files = Files(images, config.views.shorten, config.train.decode == "shown")
    where = config.train.cache
    if where == "off":
        if files.partly and region.why_not():
            log.info("JPEGs are decoded whole, not as far as they are shown: %s; %s", region.why_not(), region.REMEDY)
        return files
    if where == "store" and home is None:
        raise ConfigError("train.cache", "there is no run store here", "Name a folder.")
    steps = config.train.epochs * (len(images) // config.train.batch)
    folder = caching.folder_of(home if where == "store" and home else Path(where), data.fingerprint(folders), files)

    def told(done: int) -> None:
        if distributed.rank() == 0:
            report(0, steps, decoded_images=done)

    return caching.make(files, folder, cores.share(), told, log.info)
