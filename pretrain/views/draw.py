"""The random numbers of a view's colours, drawn per sample on the CPU so that the device only computes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pretrain.view_config import Jitter, Photometric

FIELDS = ("jitter", "brightness", "contrast", "saturation", "hue", "gray", "sigma", "solarize", *("order",) * 4)
"""Columns of a drawn row: switches are 0 or 1, ``sigma`` 0 means no blur, ``order`` lists the jitter's four
operations (0 brightness, 1 contrast, 2 saturation, 3 hue) in the order they are applied."""


def draw_photometric(rng: np.random.Generator, photometric: Photometric) -> NDArray[np.float32]:
    """One row of ``FIELDS`` for one view: (12,)."""
    jitter = photometric.jitter
    on = rng.random(4)
    strengths = _strengths(rng, jitter)
    sigma = rng.uniform(*photometric.blur_sigma)
    order = rng.permutation(4)
    switches = {
        "jitter": float(on[0] < jitter.probability),
        "gray": float(on[1] < photometric.gray),
        "sigma": sigma * (on[2] < photometric.blur),
        "solarize": float(on[3] < photometric.solarize),
    }
    row = [switches["jitter"], *strengths, switches["gray"], switches["sigma"], switches["solarize"], *order]
    return np.asarray(row, dtype=np.float32)


def _strengths(rng: np.random.Generator, jitter: Jitter) -> tuple[float, float, float, float]:
    """Brightness, contrast and saturation factors and the hue shift in turns (1 is the whole circle)."""
    brightness = rng.uniform(max(0.0, 1 - jitter.brightness), 1 + jitter.brightness)
    contrast = rng.uniform(max(0.0, 1 - jitter.contrast), 1 + jitter.contrast)
    saturation = rng.uniform(max(0.0, 1 - jitter.saturation), 1 + jitter.saturation)
    hue = rng.uniform(-jitter.hue, jitter.hue)
    if jitter.kind == "official":
        # The released code hands the factors to OpenCV's 8-bit HSV: hue in half degrees, saturation as an addend.
        return brightness, contrast, int(saturation * 255) / 255, int(hue * 255) / 180
    return brightness, contrast, saturation, hue
