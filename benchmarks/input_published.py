"""The published input pipelines in the libraries they are made of, from JPEG files to normalised floats.

Which operation follows which, with which library and at which probability, is read off pangzss/PixCon
(mmselfsup/datasets/coco_coord.py, albpipelines/transforms.py, configs/selfsup/_base_/datasets/coco_coord.py) and
CVMI-Lab/SlotCon (data/transforms.py). Where the crops lie is drawn by our function for all.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torchvision.transforms as tv
import torchvision.transforms.functional as TF
from PIL import Image, ImageFilter
from torch import Tensor

from pretrain.view_config import Photometric, Views
from pretrain.views.geometry import draw_pair
from pretrain.views.photometric import MEAN, STD

Change = Callable[[Image.Image], Tensor]


def pipeline(whose: str, views: Views, paths: list[Path], folder: str | None) -> Callable[[], list[Tensor]]:
    """Both views of all ``paths``, stacked as a worker of torch's loader does it.

    Args:
        whose: ``PixCon`` or ``SlotCon``.
        views: size, crops and interpolation.
        paths: images.
        folder: where albumentations may be.

    Raises:
        ImportError: albumentations 1.x is not there.
    """
    random = np.random.default_rng(0)
    changes = {"PixCon": lambda each: _albumentations(each, folder), "SlotCon": _torchvision}[whose]
    colours = [changes(settings) for settings in (views.first, views.second)]
    mode = TF.InterpolationMode(views.interpolation)

    def sample(path: Path) -> list[Tensor]:
        image = Image.open(path).convert("RGB")
        shown = []
        for crop, change in zip(draw_pair(random, *image.size, views), colours, strict=True):
            cut = TF.resized_crop(image, crop.y, crop.x, crop.h, crop.w, [views.size, views.size], mode)
            shown.append(change(TF.hflip(cut) if crop.flip else cut))
        return shown

    return lambda: [_shared(view) for view in zip(*map(sample, paths), strict=True)]


def _shared(views: Sequence[Tensor]) -> Tensor:
    """A batch in memory that the process which trains can read, new each time: torch's collate function in a worker."""
    storage = views[0]._typed_storage()._new_shared(len(views) * views[0].numel(), device=views[0].device)
    return torch.stack(tuple(views), out=views[0].new(storage).resize_(len(views), *views[0].shape))


def _torchvision(settings: Photometric) -> Change:
    """SlotCon's colours: Pillow images through torchvision."""
    jitter, (low, high) = settings.jitter, settings.blur_sigma
    strengths = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)

    def blur(image: Image.Image) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(float(np.random.uniform(low, high))))

    changes: Change = tv.Compose([
        tv.RandomApply([tv.ColorJitter(*strengths)], jitter.probability),
        tv.RandomGrayscale(settings.gray),
        tv.RandomApply([tv.Lambda(blur)], settings.blur),
        tv.RandomSolarize(128, settings.solarize),
        tv.ToTensor(),
        tv.Normalize(MEAN, STD),
    ])  # fmt: skip
    return changes


def _albumentations(settings: Photometric, folder: str | None) -> Change:
    """PixCon's colours: arrays through albumentations and OpenCV, jitter in 8-bit HSV."""
    if folder and folder not in sys.path:
        sys.path.append(folder)
    library = importlib.import_module("albumentations")
    if not library.__version__.startswith("1."):
        raise ImportError(f"albumentations {library.__version__} has not the functions of 1.x")
    cv2.setNumThreads(1)
    functions: Any = importlib.import_module("albumentations.augmentations.functional")
    jitter, random = settings.jitter, np.random.default_rng(0)

    def jittered(image: np.ndarray, **_: Any) -> np.ndarray:
        bright, contrast, saturation = (
            random.uniform(1 - strength, 1 + strength)
            for strength in (jitter.brightness, jitter.contrast, jitter.saturation)
        )
        hue = random.uniform(-jitter.hue, jitter.hue)
        image = functions.brightness_contrast_adjust(image, alpha=contrast, beta=bright - 1)
        shifted: np.ndarray = functions.shift_hsv(
            image, hue_shift=int(hue * 255), sat_shift=int(saturation * 255), val_shift=0
        )
        return shifted.astype(image.dtype)

    size = settings.blur_kernel
    chain = library.Compose([
        library.Lambda(image=jittered, p=jitter.probability),
        library.ToGray(p=settings.gray),
        library.GaussianBlur(blur_limit=(size, size), sigma_limit=settings.blur_sigma, p=settings.blur),
        library.Solarize(threshold=128, p=settings.solarize),
        library.Normalize(mean=MEAN, std=STD, p=1.0),
    ])  # fmt: skip
    return lambda image: torch.from_numpy(chain(image=np.array(image))["image"].transpose(2, 0, 1))
