"""Training and test images of a detector, and the order in which training meets them.

Everything is a function of (task, seed, epoch, index): no worker and no counter draws anything, so that a run
that goes on from a checkpoint meets what it would have met.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ground import stopping
from ground.errors import DataError
from ground.seeding import generator
from transfer.detection.detector import Polygons, Target
from transfer.detection_config import DetectionTask
from transfer.layouts.record import Photograph

Place = tuple[int, int]
"""(epoch, index of the image)."""


class Sample(NamedTuple):
    """One training image as the network takes it."""

    name: str
    image: Tensor
    """(3, H, W) uint8 RGB."""
    boxes: Tensor
    """(n, 4) float32: x0, y0, x1, y1 in pixels of ``image``."""
    labels: Tensor
    """(n,) int64 from 1; 0 is the background."""
    polygons: list[Polygons]
    """Of n objects, in pixels of ``image``; empty where there are no masks to learn."""

    def target(self, device: torch.device) -> Target:
        """What the network is to find, its numbers on ``device``."""
        target: Target = {"boxes": self.boxes.to(device), "labels": self.labels.to(device)}
        if len(self.polygons) == len(self.labels):
            target["polygons"] = self.polygons
        return target


class TrainingSet(Dataset[Sample | DataError]):
    """Images resized and flipped by (epoch, index). A fault is returned, not raised: workers would garble it."""

    def __init__(self, images: Sequence[Photograph], config: DetectionTask, seed: int) -> None:
        self.images, self.config, self.seed = images, config, seed

    def __getitem__(self, place: Place) -> Sample | DataError:
        """The sample of (epoch, index), or what is wrong with its file."""
        epoch, index = place
        labelled = self.images[index]
        draw = generator(self.config.name, "augment", self.seed, epoch, index)
        short = int(draw.choice(self.config.input.train_short))
        flip = bool(draw.random() < 0.5)
        try:
            image = resized(labelled, short, self.config.input.train_max)
        except DataError as error:
            return error
        scale = (image.shape[1] / labelled.height, image.shape[2] / labelled.width)
        boxes, polygons = scaled_boxes(labelled, scale), scaled_polygons(labelled, scale)
        if flip:
            width = image.shape[2]
            image = image.flip(2)
            boxes = torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
            for ring in (ring for rings in polygons for ring in rings):
                ring[0::2] = width - ring[0::2]
        return Sample(labelled.name, image, boxes, torch.tensor(labelled.labels, dtype=torch.int64) + 1, polygons)


def scaled_boxes(labelled: Photograph, scale: tuple[float, float]) -> Tensor:
    """Boxes (n, 4) in an image scaled by (vertical, horizontal), clipped to it."""
    limits = torch.tensor([labelled.width, labelled.height] * 2)
    corners = torch.tensor(labelled.corners, dtype=torch.float32).reshape(-1, 4)
    return corners.clamp(min=0).minimum(limits) * torch.tensor([scale[1], scale[0]] * 2)


def scaled_polygons(labelled: Photograph, scale: tuple[float, float]) -> list[Polygons]:
    """Every object's polygons in an image scaled by (vertical, horizontal)."""
    factors = np.array([scale[1], scale[0]])
    return [[(np.asarray(ring).reshape(-1, 2) * factors).reshape(-1) for ring in rings] for rings in labelled.outlines]


def resized(labelled: Photograph, short: int, longest: int) -> Tensor:
    """The photograph (3, H, W) uint8 with its shorter side ``short``, unless the longer would exceed ``longest``.

    Raises:
        DataError: the file cannot be decoded or its size is not what its annotation says.
    """
    try:
        with Image.open(labelled.image) as file:
            image = file.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(labelled.image, f"cannot be decoded ({error})", "Unpack the data set again.") from None
    if image.size != (labelled.width, labelled.height):
        written = f"{labelled.width}x{labelled.height}"
        problem = f"is {image.width}x{image.height} where its annotation says {written}"
        raise DataError(labelled.image, problem, "Unpack the data set again.")
    scale = min(short / min(image.size), longest / max(image.size))
    size = (int(image.width * scale + 0.5), int(image.height * scale + 0.5))
    return torch.from_numpy(np.array(image.resize(size, Image.Resampling.BILINEAR))).permute(2, 0, 1).contiguous()


def order(images: Sequence[Photograph], config: DetectionTask, seed: int) -> Iterator[list[Place]]:
    """Batches of places without end: epoch after epoch in a fresh shuffle, wide and tall images apart.

    Keeping shapes apart saves padding, as detectron2's ``AspectRatioGroupedDataset`` does.
    """
    waiting: dict[bool, list[Place]] = {True: [], False: []}
    for epoch in count():
        for index in generator(config.name, "order", seed, epoch).permutation(len(images)).tolist():
            group = waiting[images[index].width > images[index].height]
            group.append((epoch, index))
            if len(group) == config.schedule.batch:
                yield list(group)
                group.clear()


def batches(images: Sequence[Photograph], config: DetectionTask, seed: int, start: int) -> Iterator[list[Sample]]:
    """Training batches from iteration ``start`` on, without end.

    Raises:
        DataError: a file met on the way cannot be decoded.
    """
    loader: DataLoader[Sample | DataError] = DataLoader(
        TrainingSet(images, config, seed),
        batch_sampler=islice(order(images, config, seed), start, None),
        num_workers=config.workers,
        collate_fn=list,
        worker_init_fn=stopping.in_worker,
    )
    for batch in loader:
        for sample in batch:
            if isinstance(sample, DataError):
                raise sample
        yield batch
