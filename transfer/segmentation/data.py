"""mmsegmentation's data set and loading over our layouts, each image's draws a function of (seed, epoch, image).

mmsegmentation's transforms draw from numpy's global generator, whose state depends on which process read which images
before. Here it is seeded before every image.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmseg.datasets import ADE20KDataset, BaseSegDataset, CityscapesDataset, PascalVOCDataset
from mmseg.registry import DATASETS

from ground.errors import DataError
from ground.seeding import derive_seed

Place = tuple[int, int]
"""(epoch, index of the image)."""
Sample = dict[str, Any]

_OFFICIAL = {"cityscapes": CityscapesDataset, "voc_maps": PascalVOCDataset, "ade20k": ADE20KDataset}


@DATASETS.register_module()
class LabelMaps(BaseSegDataset):
    """The pairs of one or more sets, read through mmsegmentation's transforms.

    Args:
        layout: the module of `transfer.layouts` that lists them.
        root: the folder of the data sets.
        sets: which sets, one after the other.
        axes: what draws depend on beside epoch and image: the task's name and the run's seed.
        settings: mmsegmentation's own.
    """

    def __init__(self, layout: str, root: str, sets: list[str], axes: tuple[str, int], **settings: Any) -> None:
        self.layout, self.root, self.sets = layout, Path(root), sets
        self.task, self.seed = axes
        official = _OFFICIAL[layout].METAINFO
        kept = {"data_prefix": {}, "serialize_data": False}
        super().__init__(metainfo=official, reduce_zero_label=layout == "ade20k", **kept, **settings)

    def load_data_list(self) -> list[Sample]:
        """What mmsegmentation's transforms take, an image each.

        Raises:
            DataError: a file is missing.
        """
        listed = importlib.import_module(f"transfer.layouts.{self.layout}").listed
        common = {"label_map": None, "reduce_zero_label": self.reduce_zero_label}
        return [
            {"img_path": str(pair.image), "seg_map_path": str(pair.labels), "seg_fields": [], **common}
            for name in self.sets
            for pair in listed(self.root, name).pairs
        ]

    def __getitem__(self, place: Place | int) -> Sample:
        """The sample at a place, or ``{"fault": DataError}``: raised in a worker, an error would be garbled."""
        epoch, index = place if isinstance(place, tuple) else (0, place)
        try:
            with seeded(derive_seed(self.task, "augment", self.seed, epoch, index)):
                sample: Sample = super().__getitem__(index)
        except DataError as fault:
            return {"fault": fault}
        return sample


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """numpy's and Python's global generators start from ``seed`` inside, and go on as before behind."""
    states = np.random.get_state(), random.getstate()
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])


@FUNCTIONS.register_module()  # type: ignore[untyped-decorator]
def collate_or_fault(samples: list[Sample]) -> Sample:
    """mmengine's batch of samples, or the first fault among them."""
    fault = next((sample for sample in samples if "fault" in sample), None)
    batch: Sample = fault if fault is not None else pseudo_collate(samples)
    return batch
