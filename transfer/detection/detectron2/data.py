"""detectron2's data pipeline, made a function of the run's seed.

Its loaders, mapper and augmentations are used as they are. Three things they leave to chance are decided here: which
images make a batch (`transfer.detection.samples.order`, started at any iteration; detectron2's samplers start at the
first), what is drawn for an image (from seed, epoch and image, not from a worker's generator), and what the network
draws in a step (from seed and iteration).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetFromList, DatasetMapper, build_detection_test_loader, build_detection_train_loader
from detectron2.data.detection_utils import SizeMismatchError
from detectron2.structures import BoxMode
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

from ground.errors import DataError
from ground.seeding import derive_seed
from transfer.detection.samples import order, scaled_boxes
from transfer.detection_config import DetectionTask
from transfer.layouts.record import Photograph

Entry = dict[str, Any]
"""One image in detectron2's words ("dataset dict")."""
Images = Sequence[Photograph]


def entries(images: Images) -> list[Entry]:
    """detectron2's dataset dicts of our labels; ``image_id`` is the position in the list, in six digits."""
    return [_entry(image, position) for position, image in enumerate(images)]


def _entry(image: Photograph, position: int) -> Entry:
    boxes = scaled_boxes(image, (1.0, 1.0)).tolist()
    objects: list[dict[str, Any]] = [
        {"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": label, "iscrowd": 0}
        for box, label in zip(boxes, image.labels, strict=True)
    ]
    for item, rings in zip(objects, image.outlines, strict=False):  # none where there are no masks to learn
        item["segmentation"] = [np.asarray(ring) for ring in rings]
    return {
        "file_name": str(image.image),
        "width": image.width,
        "height": image.height,
        "image_id": f"{position:06d}",
        "position": position,
        "annotations": objects,
    }


class _Places(Dataset[Entry]):
    """Entries by place: epoch x images + position in the list. The entry then knows its place."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries, self.images = DatasetFromList(entries, copy=False), len(entries)

    def __len__(self) -> int:
        return self.images

    def __getitem__(self, place: int) -> Entry:
        """A copy."""
        epoch, position = divmod(place, self.images)
        return {**self.entries[position], "epoch": epoch}


class _Order(Sampler[int]):
    """Places of the images of one process, batch after batch, from an iteration on."""

    def __init__(self, images: Images, config: DetectionTask, seed: int, start: int, part: slice) -> None:
        self.images, self.config, self.seed, self.start, self.part = images, config, seed, start, part

    def __iter__(self) -> Iterator[int]:
        for batch in islice(order(self.images, self.config, self.seed), self.start, None):
            yield from (epoch * len(self.images) + index for epoch, index in batch[self.part])


class _Mapper:
    """detectron2's mapper with numpy's generator, from which its augmentations draw, seeded for each entry.

    A fault of the file is returned, not raised: workers would garble it.
    """

    def __init__(self, mapper: DatasetMapper, axes: Sequence[str | int]) -> None:
        self.mapper, self.axes = mapper, tuple(axes)

    def __call__(self, entry: Entry) -> Entry | DataError:
        """The sample that the network takes."""
        np.random.seed(derive_seed(*self.axes, entry.get("epoch", 0), entry["position"]) % 2**32)
        try:
            sample: Entry = self.mapper(entry)
        except SizeMismatchError:
            problem = f"is not {entry['width']}x{entry['height']} as its annotation says"
            return DataError(entry["file_name"], problem, "Unpack the data set again.")
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            problem = f"cannot be decoded ({' '.join(str(error).split())})"
            return DataError(entry["file_name"], problem, "Unpack the data set again.")
        return sample


class Batches:
    """A loader of detectron2's that raises what its mapper found at fault, and lets somebody look at every batch."""

    def __init__(self, loader: DataLoader[Any], begin: Callable[[int, list[Entry]], None], start: int = 0) -> None:
        """``begin(iteration, batch)`` is called before a batch is given out; the first one is of ``start``."""
        self.loader, self.begin, self.start = loader, begin, start

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[list[Entry]]:
        for iteration, batch in enumerate(self.loader, self.start):
            fault = next((sample for sample in batch if isinstance(sample, DataError)), None)
            if fault is not None:
                raise fault
            self.begin(iteration, batch)
            yield batch


def train_loader(
    config: DetectionTask, cfg: CfgNode, images: Images, seed: int, start: int, part: slice
) -> DataLoader[Any]:
    """detectron2's training loader from iteration ``start`` on, without end.

    Args:
        config: the task.
        cfg: detectron2's config of it.
        images: to train on.
        seed: of the run.
        start: iterations that were done before.
        part: this process's share of every batch.
    """
    mapper = _Mapper(DatasetMapper(cfg, is_train=True), (config.name, "augment", seed))
    sampler = _Order(images, config, seed, start, part)
    loader: DataLoader[Any] = build_detection_train_loader(
        cfg, mapper=mapper, dataset=_Places(entries(images)), sampler=sampler
    )
    return loader


def test_loader(cfg: CfgNode, name: str) -> DataLoader[Any]:
    """detectron2's loader of the registered test set, image by image, each process its part."""
    loader: DataLoader[Any] = build_detection_test_loader(
        cfg, name, mapper=_Mapper(DatasetMapper(cfg, is_train=False), ("test",))
    )
    return loader


def seed_network(config: DetectionTask, seed: int, part: slice) -> Callable[[int], None]:
    """A function that has the samples of anchors and regions, which the network draws, depend on the iteration alone
    (and on where in the batch this process's images begin)."""

    def seed_step(iteration: int) -> None:
        torch.manual_seed(derive_seed(config.name, "step", seed, iteration, part.start))

    return seed_step
