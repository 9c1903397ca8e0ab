"""The input pipeline of one core: ours beside the published ones, from JPEG files to a batch for the network.

python -m benchmarks.input_pipeline [--images DIR] [--official DIR] [--repeats 5]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks import input_published as published
from benchmarks.base import Options, Section, Size, ratio, say, turns
from benchmarks.processes import forked
from ground import cores
from pretrain import data, recipes
from pretrain.view_config import Views
from pretrain.views import photometric, region, worker
from pretrain.views.cache import make
from pretrain.views.dataset import KEPT, Batch, ViewsDataset
from pretrain.views.layout import TwoCrops
from pretrain.views.pictures import Files, Pictures

RECIPES = {"pixcon-sr": "PixCon", "slotcon": "SlotCon"}
"""Whose views we cut → whose pipeline that is."""


def measure(options: Options) -> Section:
    """Views a second and core.

    Args:
        options: ``official`` is a folder in which albumentations 1.x is looked for, too; noise of a photograph's
            spectrum is written if ``images`` names no folder.
    """
    torch.set_num_threads(1)
    columns = ("views of", "pipeline", "colours", "views/s and core", "times the published")
    section = options.begin("input_pipeline", "Input pipeline", columns)
    count = 2 if options.size == "toy" else 32
    with tempfile.TemporaryDirectory() as folder:
        paths = list(data.images(Path(options.images)))[:count] if options.images else written(Path(folder), count)
        kept = make(Files(paths), Path(folder) / "cache", 0, lambda _: None, say)
        for recipe, whose in RECIPES.items():
            _compare(section, options, recipe, whose, paths, kept)
    if region.why_not():
        section.notes.append(f"JPEGs are decoded whole in every row: {region.why_not()}.")
    section.notes += [
        f"{len(paths)} {'photographs' if options.images else 'invented pictures of 640 x 480'}, decoded anew for every "
        "batch unless kept; two views each, in memory that another process reads. In turn, each on all "
        f"{cores.share()} cores at once: seconds of processor time of a process with one thread.",
        "Ours leaves colours, blur and normalisation to the device, for which `cpu` counts them on the same core.",
    ]
    return section


def _compare(section: Section, options: Options, recipe: str, whose: str, paths: list[Path], kept: Pictures) -> None:
    """The rows of one recipe's views."""
    views, files, whole = recipes.resolve(recipe, {}).views, Files(paths), Files(paths, partly=False)
    pillow = views.model_copy(update={"resampler": "pillow"})
    works: dict[tuple[str, str], Callable[[], object]] = {
        ("ours", "device"): _cutting(views, files),
        ("ours, images decoded whole", "device"): _cutting(views, whole),
        ("ours, images decoded whole, Pillow resizes", "device"): _cutting(pillow, whole),
        ("ours, decoded images kept", "device"): _cutting(views, kept),
        ("ours", "cpu"): _coloured(views, files),
        ("ours, decoded images kept", "cpu"): _coloured(views, kept),
    }
    theirs = (f"{whose}'s", "cpu")
    try:
        works[theirs] = published.pipeline(whose, views, paths, options.official)
    except ImportError as error:
        section.notes.append(f"{whose}'s pipeline was skipped: {error}.")
    named = {" / ".join(name): work for name, work in works.items()}
    ours = {name: partial(worker.begin, 0) for name in named if name != " / ".join(theirs)}
    with forked(named, ours, cores.share()) as turning:
        found = turns(turning, options.repeats)
    for (pipeline, colours), name in zip(works, named, strict=True):
        shown: dict[str, Any] = {"views of": recipe, "pipeline": pipeline, "colours": colours}
        shown["views/s and core"] = ratio(2 * len(paths), found[name])
        if theirs in works:
            shown["times the published"] = ratio(found[" / ".join(theirs)], found[name])
        section.rows.append(shown)


def _cutting(views: Views, pictures: Pictures) -> Callable[[], Batch]:
    """A batch of all pictures, of another epoch each time, in memory that is used again as a worker's is."""
    dataset, epoch = ViewsDataset(pictures, TwoCrops(views, {}), views.size // 32, 0, KEPT), 0

    def cut() -> Batch:
        nonlocal epoch
        epoch += 1
        batch = dataset[[(epoch, index) for index in range(len(pictures))]]
        if isinstance(batch, Exception):
            raise batch
        return batch

    return cut


def _coloured(views: Views, pictures: Pictures) -> Callable[[], object]:
    """The same, and what the device does otherwise."""
    cut = _cutting(views, pictures)

    def coloured() -> object:
        batch = cut()
        parts = [batch.part(slice(start, start + 4)) for start in range(0, len(pictures), 4)]  # what a cache holds
        return [
            photometric.apply(part.crops[view].contiguous(), part.flips[view], part.drawn[view], settings)
            for part in parts
            for view, settings in enumerate((views.first, views.second))
        ]

    return coloured


def written(folder: Path, count: int) -> list[Path]:
    """JPEGs of 640 x 480: noise whose octaves weigh what they do in photographs, about three bits a pixel."""
    paths = []
    for number in range(count):
        path = folder / f"{number:04d}.jpg"
        Image.fromarray(picture(np.random.default_rng(number), 640, 480)).save(path, quality=90)
        paths.append(path)
    return paths


def picture(random: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """One such picture (height, width, 3)."""
    total = np.full((height, width, 3), 118, np.float32)
    for cells, weight in ((4, 90), (16, 50), (64, 28), (200, 16), (640, 9)):
        noise = random.normal(0, weight, (3, max(2, cells * height // width), cells)).astype(np.float32)
        planes: list[Any] = [
            Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC) for plane in noise
        ]
        total += np.stack([np.asarray(plane) for plane in planes], -1)
    return total.clip(0, 255).astype(np.uint8)


def main() -> None:
    """The command: the table in Markdown."""
    from benchmarks.report import table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", metavar="DIR", help="photographs to cut instead of invented pictures")
    parser.add_argument("--official", metavar="DIR", help="where albumentations 1.x is installed, if it is not here")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--toy", action="store_true", help="to see that it works; its numbers say nothing")
    given = parser.parse_args()
    size: Size = "toy" if given.toy else "full"
    section = measure(Options(size=size, repeats=given.repeats, official=given.official, images=given.images))
    print("\n".join([*table(section), "", *section.notes]))


if __name__ == "__main__":
    main()
