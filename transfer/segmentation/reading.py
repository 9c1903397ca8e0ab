"""mmsegmentation's loading transforms, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS
from PIL import Image

from ground.errors import DataError
from transfer.layouts.cityscapes import IGNORED, TRAIN_IDS

_TRAIN_IDS = np.full(256, IGNORED, np.uint8)
_TRAIN_IDS[list(TRAIN_IDS)] = list(TRAIN_IDS.values())

Results = dict[str, Any]
_REMEDY = "Unpack the data set again."


@contextmanager
def _decoding(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, SyntaxError, ValueError, AssertionError, Image.DecompressionBombError) as error:
        raise DataError(path, f"cannot be decoded ({error})", _REMEDY) from None


@TRANSFORMS.register_module()
class ReadImage(LoadImageFromFile):
    """A photograph as BGR, decoded by Pillow: the same pixels as OpenCV's, which passes over files cut short."""

    def __init__(self) -> None:
        super().__init__(imdecode_backend="pillow")

    def transform(self, results: Results) -> Results:
        """Add ``img`` (H, W, 3) uint8 and its shapes.

        Raises:
            DataError: the file cannot be decoded.
        """
        with _decoding(results["img_path"]):
            read: Results = super().transform(results)
        return read


@TRANSFORMS.register_module()
class ReadLabels(LoadAnnotations):
    """A label map of class indices, void as 255.

    Args:
        classes: how many there are.
        train_ids: the map holds Cityscapes' label ids, of which nineteen are classes.
    """

    def __init__(self, classes: int, train_ids: bool) -> None:
        super().__init__()
        self.classes, self.train_ids = classes, train_ids

    def _load_seg_map(self, results: Results) -> None:
        """Add ``gt_seg_map`` (H, W) uint8.

        Raises:
            DataError: the file cannot be decoded, has several channels, another size than the photograph, or a value
                that is no class.
        """
        path = results["seg_map_path"]
        with _decoding(path):
            super()._load_seg_map(results)
        labels = results["gt_seg_map"]
        if labels.shape != tuple(results["ori_shape"]):
            shape, wanted = ("x".join(map(str, each)) for each in (labels.shape, results["ori_shape"]))
            raise DataError(path, f"is {shape} where its image is {wanted}", "A label map has one value a pixel.")
        if self.train_ids:
            labels = results["gt_seg_map"] = _TRAIN_IDS[labels]
        odd = labels[(labels >= self.classes) & (labels != IGNORED)]
        if odd.size:
            value = int(odd[0]) + results["reduce_zero_label"]
            raise DataError(path, f"holds the value {value}, which is no class", _REMEDY)
