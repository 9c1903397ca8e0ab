"""Triton kernels of ``photometric.apply``: a view in four passes over memory, whatever was drawn for its samples.

A row of parameters is one of ``draw.FIELDS`` and, last, whether the sample is mirrored. Each program works on pixels of
one sample, so that a branch on what was drawn is the same for all its threads.
"""

# ruff: noqa: ANN001, ANN201, ANN202 -- Triton reads annotations as compile-time constants
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

PIXELS, PARTS = 1024, 16


@triton.jit
def _load(crops, row, sample, at, inside, H, W, LAST: tl.constexpr):
    """Red, green and blue in [0, 1] of the pixels ``at``, mirrored if the sample is; LAST: crops in channels_last."""
    x = at % W
    x = tl.where(tl.load(row + 12) > 0, W - 1 - x, x)
    at = at // W * W + x
    step = 1 if LAST else H * W
    base = crops + sample.to(tl.int64) * 3 * H * W + (at * 3 if LAST else at)
    red = tl.load(base, mask=inside, other=0).to(tl.float32) / 255.0
    green = tl.load(base + step, mask=inside, other=0).to(tl.float32) / 255.0
    blue = tl.load(base + 2 * step, mask=inside, other=0).to(tl.float32) / 255.0
    return red, green, blue


@triton.jit
def _luma(red, green, blue):
    return 0.2989 * red + 0.587 * green + 0.114 * blue


@triton.jit
def _clip(value):
    return tl.minimum(tl.maximum(value, 0.0), 1.0)


@triton.jit
def _from_hsv(offset, turn, level, value):
    k = offset + turn * 6
    k = k - tl.floor(k / 6) * 6
    return value - value * level * _clip(tl.minimum(k, 4 - k))


@triton.jit
def _turned(red, green, blue, hue, saturation):
    """``photometric.hue_saturation``."""
    value = tl.maximum(tl.maximum(red, green), blue)
    span = value - tl.minimum(tl.minimum(red, green), blue)
    chroma = tl.where(span > 0, span, 1.0)
    turn = tl.where(green == value, 2 + (blue - red) / chroma, 4 + (red - green) / chroma)
    turn = tl.where(red == value, (green - blue) / chroma, turn)
    turn = tl.where(span > 0, turn / 6, 0.0) + hue
    turn = turn - tl.floor(turn)
    level = _clip(span / tl.maximum(value, 1e-12) + saturation)
    return _from_hsv(5.0, turn, level, value), _from_hsv(3.0, turn, level, value), _from_hsv(1.0, turn, level, value)


@triton.jit
def _operated(operation, row, red, green, blue, mean):
    """One of torchvision's four, by its number in ``draw.FIELDS``."""
    if operation == 3:
        red, green, blue = _turned(red, green, blue, tl.load(row + 4), 0.0)
    else:
        factor = tl.load(row + 1 + operation)
        gray = _luma(red, green, blue)
        other = tl.where(operation == 0, 0.0, tl.where(operation == 1, mean, gray))
        red = _clip(factor * red + (1 - factor) * other)
        green = _clip(factor * green + (1 - factor) * other)
        blue = _clip(factor * blue + (1 - factor) * other)
    return red, green, blue


@triton.jit
def means(
    crops, rows, partial, H, W, LAST: tl.constexpr, OFFICIAL: tl.constexpr, TURNS: tl.constexpr, BP: tl.constexpr
):
    """Sums of what contrast refers to, over a part of each sample's pixels: (B, parts)."""
    sample, part = tl.program_id(1), tl.program_id(0)
    row = rows + sample * 13
    total = tl.zeros((BP,), tl.float32)
    if tl.load(row) > 0:
        for turn in range(TURNS):
            at = (part * TURNS + turn) * BP + tl.arange(0, BP)
            inside = at < H * W
            red, green, blue = _load(crops, row, sample, at, inside, H, W, LAST)
            if OFFICIAL:
                level = (red + green + blue) / 3.0
            else:
                before = tl.full((), 1, tl.int32)
                for position in tl.static_range(4):
                    operation = tl.load(row + 8 + position).to(tl.int32)
                    before = tl.where(operation == 1, 0, before)
                    if before == 1:
                        red, green, blue = _operated(operation, row, red, green, blue, 0.0)
                level = _luma(red, green, blue)
            total += tl.where(inside, level, 0.0)
    tl.store(partial + sample * tl.num_programs(0) + part, tl.sum(total, 0))


@triton.jit
def _shown(value, row, channel):
    """Solarised if drawn so, less the mean colour, over its deviation."""
    solarised = tl.where(value >= 128.0 / 255.0, 1 - value, value)
    value = tl.where(tl.load(row + 7) > 0, solarised, value)
    mean = tl.where(channel == 0, 0.485, tl.where(channel == 1, 0.456, 0.406))
    deviation = tl.where(channel == 0, 0.229, tl.where(channel == 1, 0.224, 0.225))
    return (value - mean) / deviation


@triton.jit
def colours(
    crops,
    rows,
    partial,
    sharp,
    out,
    H,
    W,
    LAST: tl.constexpr,
    OFFICIAL: tl.constexpr,
    PARTS: tl.constexpr,
    BP: tl.constexpr,
):
    """Mirror, jitter and grey. A sample that is to be blurred goes to ``sharp`` (B, 3, H, W), else it is finished."""
    sample = tl.program_id(1)
    row = rows + sample * 13
    at = tl.program_id(0) * BP + tl.arange(0, BP)
    inside = at < H * W
    red, green, blue = _load(crops, row, sample, at, inside, H, W, LAST)
    if tl.load(row) > 0:
        mean = tl.sum(tl.load(partial + sample * PARTS + tl.arange(0, PARTS)), 0) / (H * W)
        if OFFICIAL:
            contrast = tl.load(row + 2)
            addend = contrast * (tl.load(row + 1) - 1) * mean
            red, green = _clip(contrast * red + addend), _clip(contrast * green + addend)
            blue = _clip(contrast * blue + addend)
            red, green, blue = _turned(red, green, blue, tl.load(row + 4), tl.load(row + 3))
        else:
            for position in tl.static_range(4):
                operation = tl.load(row + 8 + position).to(tl.int32)
                red, green, blue = _operated(operation, row, red, green, blue, mean)
    if tl.load(row + 5) > 0:
        gray = _luma(red, green, blue)
        red, green, blue = gray, gray, gray
    if tl.load(row + 6) > 0:
        to = sharp + sample.to(tl.int64) * 3 * H * W + at
        tl.store(to, red, mask=inside)
        tl.store(to + H * W, green, mask=inside)
        tl.store(to + 2 * H * W, blue, mask=inside)
    else:
        shown = out + (sample.to(tl.int64) * H * W + at) * 3
        tl.store(shown, _shown(red, row, 0).to(out.dtype.element_ty), mask=inside)
        tl.store(shown + 1, _shown(green, row, 1).to(out.dtype.element_ty), mask=inside)
        tl.store(shown + 2, _shown(blue, row, 2).to(out.dtype.element_ty), mask=inside)


@triton.jit
def blurred(source, rows, out, H, W, RADIUS: tl.constexpr, ALONG: tl.constexpr, LAST: tl.constexpr, BP: tl.constexpr):
    """Samples drawn to be blurred, along columns (ALONG 0) or rows; LAST finishes them and writes channels_last."""
    channel, sample = tl.program_id(1), tl.program_id(2)
    row = rows + sample * 13
    sigma = tl.load(row + 6)
    if sigma > 0:
        at = tl.program_id(0) * BP + tl.arange(0, BP)
        inside = at < H * W
        y, x = at // W, at % W
        base = source + (sample.to(tl.int64) * 3 + channel) * H * W
        value = tl.zeros((BP,), tl.float32)
        total = 0.0
        for tap in tl.static_range(-RADIUS, RADIUS + 1):
            weight = tl.exp(-0.5 * (tap / sigma) * (tap / sigma))
            total += weight
            if ALONG == 0:
                near = tl.abs(y + tap)
                near = tl.where(near >= H, 2 * (H - 1) - near, near)
                value += weight * tl.load(base + near * W + x, mask=inside, other=0.0)
            else:
                near = tl.abs(x + tap)
                near = tl.where(near >= W, 2 * (W - 1) - near, near)
                value += weight * tl.load(base + y * W + near, mask=inside, other=0.0)
        value = value / total
        if LAST:
            shown = out + (sample.to(tl.int64) * H * W + at) * 3 + channel
            tl.store(shown, _shown(value, row, channel).to(out.dtype.element_ty), mask=inside)
        else:
            tl.store(out + (sample.to(tl.int64) * 3 + channel) * H * W + at, value, mask=inside)


def view(crops: Tensor, rows: Tensor, *, blur: bool, official: bool, kernel: int, dtype: torch.dtype) -> Tensor:
    """What ``photometric.apply`` gives, in channels_last.

    Args:
        crops: uint8 (B, 3, H, W), contiguous or in channels_last.
        rows: (B, 13), single precision, on the same device.
        blur: whether a sample is blurred at all.
        official: the jitter's kind.
        kernel: taps of the blur.
        dtype: of the views.
    """
    batch, _, height, width = crops.shape
    last = crops.stride(1) == 1
    device, blocks = crops.device, -(-height * width // PIXELS)
    out = torch.empty((batch, 3, height, width), dtype=dtype, device=device, memory_format=torch.channels_last)
    sharp, half = (torch.empty((batch, 3, height, width), device=device) if blur else rows for _ in range(2))
    partial = torch.empty((batch, PARTS), device=device)
    means[(PARTS, batch)](
        crops, rows, partial, height, width, LAST=last, OFFICIAL=official, TURNS=-(-blocks // PARTS), BP=PIXELS
    )
    colours[(blocks, batch)](
        crops, rows, partial, sharp, out, height, width, LAST=last, OFFICIAL=official, PARTS=PARTS, BP=PIXELS
    )
    if blur:
        for along, size, source, to in ((0, height, sharp, half), (1, width, half, out)):
            blurred[(blocks, 3, batch)](
                source, rows, to, height, width,
                RADIUS=min(kernel // 2, size - 1), ALONG=along, LAST=along == 1, BP=PIXELS,
            )  # fmt: skip
    return out
