"""Flip, colour, blur and normalisation of whole batches on the device, with per-sample parameters.

All functions take images (B, 3, H, W) as floats in [0, 1] and return the same shape.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pretrain.device import moved
from pretrain.view_config import Photometric
from pretrain.views.draw import FIELDS

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
_COLUMN = {name: FIELDS.index(name) for name in FIELDS}
SOLARIZE_THRESHOLD = 128 / 255


def apply(crops: Tensor, flips: Tensor, drawn: Tensor, photometric: Photometric) -> Tensor:
    """The views a network sees.

    Args:
        crops: uint8 (B, 3, H, W), on the device.
        flips: bool (B,), on the CPU.
        drawn: float (B, 12), rows of ``draw.FIELDS``, on the CPU: which samples an operation touches is then known
            without waiting for the device.

    Returns:
        Normalised float images (B, 3, H, W).
    """
    images = crops.float().div_(255)
    images = _on(images, flips, lambda x, _: x.flip(-1))
    images = _jitter(images, drawn, photometric.jitter.kind)
    images = _on(images, _switch(drawn, "gray"), lambda x, _: grayscale(x).expand_as(x))
    sigma = drawn[:, _COLUMN["sigma"]]
    images = _on(images, sigma > 0, lambda x, chosen: blur(x, moved(sigma[chosen], x.device), photometric.blur_kernel))
    images = _on(images, _switch(drawn, "solarize"), lambda x, _: torch.where(x >= SOLARIZE_THRESHOLD, 1 - x, x))
    return normalised(images)


def fused(crops: Tensor, flips: Tensor, drawn: Tensor, photometric: Photometric, dtype: torch.dtype) -> Tensor:
    """``apply`` by kernels on CUDA, in ``dtype`` and channels_last; all parameters go there in one copy."""
    from pretrain.views import colour_kernels

    return colour_kernels.view(
        crops,
        moved(torch.cat([drawn, flips.unsqueeze(1).to(drawn)], 1), crops.device),
        blur=bool((drawn[:, _COLUMN["sigma"]] > 0).any()),
        official=photometric.jitter.kind == "official",
        kernel=photometric.blur_kernel,
        dtype=dtype,
    )


def normalised(images: Tensor) -> Tensor:
    """Images less ImageNet's mean colour, over its deviation."""
    mean, std = (moved(torch.tensor(values), images.device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (images - mean) / std


def _switch(drawn: Tensor, name: str) -> Tensor:
    return drawn[:, _COLUMN[name]] > 0


def _on(images: Tensor, chosen: Tensor, operation: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """``images`` with ``operation(subset, subset's indices)`` applied where ``chosen`` (CPU) holds."""
    index = chosen.nonzero().squeeze(1)
    if not len(index):
        return images
    if len(index) == len(images):
        return operation(images, index)
    where = moved(index, images.device)
    return images.index_copy(0, where, operation(images.index_select(0, where), index))


def _jitter(images: Tensor, drawn: Tensor, kind: str) -> Tensor:
    jittered = _switch(drawn, "jitter")
    factors = {name: drawn[:, _COLUMN[name]] for name in ("brightness", "contrast", "saturation", "hue")}

    def factor(name: str, chosen: Tensor) -> Tensor:
        return moved(factors[name][chosen], images.device).view(-1, 1, 1, 1)

    if kind == "official":
        images = _on(
            images,
            jittered,
            lambda x, chosen: brightness_contrast(x, factor("brightness", chosen), factor("contrast", chosen)),
        )
        return _on(
            images,
            jittered,
            lambda x, chosen: hue_saturation(x, factor("hue", chosen), factor("saturation", chosen)),
        )
    operations: list[tuple[str, Callable[[Tensor, Tensor], Tensor]]] = [
        ("brightness", lambda x, value: (x * value).clamp_(0, 1)),
        ("contrast", lambda x, value: _blend(x, grayscale(x).mean((1, 2, 3), keepdim=True), value)),
        ("saturation", lambda x, value: _blend(x, grayscale(x), value)),
        ("hue", lambda x, value: hue_saturation(x, value, None)),
    ]
    order = drawn[:, _COLUMN["order"] :].long()
    for position in range(4):
        for number, (name, operation) in enumerate(operations):
            chosen = jittered & (order[:, position] == number)
            images = _on(images, chosen, lambda x, index, name=name, op=operation: op(x, factor(name, index)))  # type: ignore[misc]
    return images


def grayscale(images: Tensor) -> Tensor:
    """Luma, ITU-R 601-2 as in torchvision: (B, 1, H, W)."""
    red, green, blue = images.unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).unsqueeze(1)


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * images + (1 - factor) * other).clamp_(0, 1)


def brightness_contrast(images: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """The released jitter's first half: contrast about 0, brightness in shares of the image's mean.

    ``contrast * x + contrast * (brightness − 1) * mean(x)``, clipped (albumentations 1.3 ``brightness_contrast_adjust``
    with the mean over all channels, as methods.md 1.2 reports it).
    """
    mean = images.mean((1, 2, 3), keepdim=True)
    return (contrast * images + contrast * (brightness - 1) * mean).clamp_(0, 1)


def hue_saturation(images: Tensor, hue: Tensor, saturation: Tensor | None) -> Tensor:
    """Turn the hue by ``hue`` (1 is the circle) and, if given, add ``saturation`` to HSV saturation, clipped."""
    value, argmax = images.max(1)
    span = value - images.amin(1)
    chroma = torch.where(span > 0, span, torch.ones_like(span))
    red, green, blue = images.unbind(1)
    turn = torch.where(
        argmax == 0,
        (green - blue) / chroma,
        torch.where(argmax == 1, 2 + (blue - red) / chroma, 4 + (red - green) / chroma),
    )
    turn = torch.where(span > 0, turn / 6, torch.zeros_like(turn))
    turn = torch.remainder(turn + hue.squeeze(1), 1.0)
    level = span / value.clamp_min(1e-12)
    if saturation is not None:
        level = (level + saturation.squeeze(1)).clamp_(0, 1)
    return _from_hsv(turn, level, value)


def _from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """RGB of (B, H, W) planes: channel n is ``v − v s max(0, min(k, 4 − k, 1))`` with ``k = (n + 6h) mod 6``."""
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = torch.remainder(offset + hue * 6, 6.0)
        channels.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)


def blur(images: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Gaussian blur with one ``sigma`` (B,) per image, ``kernel`` taps, reflected borders (as OpenCV and torchvision).

    A blur along an axis is a banded matrix; two batched matrix products are faster than depthwise convolutions on
    CPU and GPU alike.
    """
    height, width = images.shape[-2:]
    rows, columns = (_blur_matrix(size, sigma, kernel).unsqueeze(1) for size in (height, width))
    return rows @ images @ columns.transpose(-1, -2)


def _blur_matrix(size: int, sigma: Tensor, kernel: int) -> Tensor:
    """(B, size, size): row i weighs the pixels whose blur gives pixel i."""
    radius = min(kernel // 2, size - 1)
    taps = torch.arange(-radius, radius + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (taps / sigma.unsqueeze(1)) ** 2)
    weights = weights / weights.sum(1, keepdim=True)
    source = (torch.arange(size, device=sigma.device).unsqueeze(1) + taps).abs()
    source = torch.where(source >= size, 2 * (size - 1) - source, source)
    onehot = torch.nn.functional.one_hot(source, size).to(weights)  # (size, taps, size)
    return torch.einsum("bt,its->bis", weights, onehot)
