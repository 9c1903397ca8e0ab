"""Triton kernels of batch norm, ReLU and the addition of a shortcut, on rows of channels.

All tensors are (G·R, C) with the channels beside each other: a channels_last map's pixels, or vectors. Each of the G
groups of R rows has statistics of its own. Sums are in single precision, in an order that depends on the shape alone.
Maxima keep what is no number, as torch's do: by default a GPU's make it 0, and a diverged training would go on.
"""

# ruff: noqa: ANN001, ANN201, ANN202 -- Triton reads annotations as compile-time constants
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl

power_of_two = triton.next_power_of_2


@triton.jit
def sums(x, partial, R, C, TURNS: tl.constexpr, BM: tl.constexpr, BC: tl.constexpr):
    """Sums of x and x² less the group's first row, of TURNS · BM rows each: partial (G, S, 2, C)."""
    channel = tl.program_id(0) * BC + tl.arange(0, BC)
    split, group = tl.program_id(1), tl.program_id(2)
    inside = channel < C
    base = x + group.to(tl.int64) * R * C
    shift = tl.load(base + channel, mask=inside, other=0.0).to(tl.float32)
    first = tl.zeros((BM, BC), tl.float32)
    second = tl.zeros((BM, BC), tl.float32)
    for turn in range(TURNS):
        row = (split * TURNS + turn) * BM + tl.arange(0, BM)
        mask = (row < R)[:, None] & inside[None, :]
        value = tl.load(base + row.to(tl.int64)[:, None] * C + channel[None, :], mask=mask, other=0.0).to(tl.float32)
        value = tl.where(mask, value - shift[None, :], 0.0)
        first += value
        second += value * value
    out = partial + (group * tl.num_programs(1) + split) * 2 * C + channel
    tl.store(out, tl.sum(first, 0), mask=inside)
    tl.store(out + C, tl.sum(second, 0), mask=inside)


@triton.jit
def statistics(
    x,
    partial,
    mean,
    scale,
    running_mean,
    running_var,
    momentum,
    eps,
    R,
    C,
    S,
    G: tl.constexpr,
    BS: tl.constexpr,
    BC: tl.constexpr,
):
    """Mean and 1 / deviation (G, C) from the sums of ``sums``; the running ones follow the groups in their order."""
    channel = tl.program_id(0) * BC + tl.arange(0, BC)
    inside = channel < C
    kept_mean = tl.load(running_mean + channel, mask=inside, other=0.0)
    kept_var = tl.load(running_var + channel, mask=inside, other=0.0)
    count = R.to(tl.float32)
    for group in tl.static_range(G):
        shift = tl.load(x + group * R.to(tl.int64) * C + channel, mask=inside, other=0.0).to(tl.float32)
        split = tl.arange(0, BS)
        mask = (split < S)[:, None] & inside[None, :]
        at = partial + (group * S + split)[:, None] * 2 * C + channel[None, :]
        first = tl.sum(tl.load(at, mask=mask, other=0.0), 0)
        second = tl.sum(tl.load(at + C, mask=mask, other=0.0), 0)
        off = first / count
        var = tl.maximum(second / count - off * off, 0.0, propagate_nan=tl.PropagateNan.ALL)
        tl.store(mean + group * C + channel, shift + off, mask=inside)
        tl.store(scale + group * C + channel, 1.0 / tl.sqrt(var + eps), mask=inside)
        kept_mean += momentum * (shift + off - kept_mean)
        kept_var += momentum * (var * (count / (count - 1.0)) - kept_var)
    tl.store(running_mean + channel, kept_mean, mask=inside)
    tl.store(running_var + channel, kept_var, mask=inside)


@triton.jit
def normalise(
    x, shortcut, y, mean, scale, weight, bias, R, C,
    ADD: tl.constexpr, RELU: tl.constexpr, BM: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """y = relu((x − mean) · scale · weight + bias + shortcut)."""
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    group = tl.program_id(2)
    inside = channel < C
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    mask = (row < R)[:, None] & inside[None, :]
    at = (group.to(tl.int64) * R + row)[:, None] * C + channel[None, :]
    factor, low = _affine(mean, scale, weight, bias, group * C + channel, channel, inside)
    value = tl.load(x + at, mask=mask, other=0.0).to(tl.float32) * factor[None, :] + low[None, :]
    if ADD:
        value += tl.load(shortcut + at, mask=mask, other=0.0).to(tl.float32)
    if RELU:
        value = tl.maximum(value, 0.0, propagate_nan=tl.PropagateNan.ALL)
    tl.store(y + at, value.to(y.dtype.element_ty), mask=mask)


@triton.jit
def _affine(mean, scale, weight, bias, at, channel, inside):
    factor = tl.load(scale + at, mask=inside, other=0.0) * tl.load(weight + channel, mask=inside, other=0.0)
    low = tl.load(bias + channel, mask=inside, other=0.0) - tl.load(mean + at, mask=inside, other=0.0) * factor
    return factor, low


@triton.jit
def gradient_sums(
    dy, x, y, dz, partial, mean, scale, weight, bias, R, C,
    TURNS: tl.constexpr, ADD: tl.constexpr, RELU: tl.constexpr, BM: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Sums of dz and of dz · x̂ as in ``sums``; dz, the gradient before the ReLU, is written for a shortcut."""
    channel = tl.program_id(0) * BC + tl.arange(0, BC)
    split, group = tl.program_id(1), tl.program_id(2)
    inside = channel < C
    base = group.to(tl.int64) * R
    centre = tl.load(mean + group * C + channel, mask=inside, other=0.0)
    unit = tl.load(scale + group * C + channel, mask=inside, other=0.0)
    factor, low = _affine(mean, scale, weight, bias, group * C + channel, channel, inside)
    first = tl.zeros((BM, BC), tl.float32)
    second = tl.zeros((BM, BC), tl.float32)
    for turn in range(TURNS):
        row = (split * TURNS + turn) * BM + tl.arange(0, BM)
        mask = (row < R)[:, None] & inside[None, :]
        at = (base + row)[:, None] * C + channel[None, :]
        value = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
        grad = tl.load(dy + at, mask=mask, other=0.0).to(tl.float32)
        if RELU:
            if ADD:
                grad = tl.where(tl.load(y + at, mask=mask, other=0.0) > 0, grad, 0.0)
            else:
                grad = tl.where(value * factor[None, :] + low[None, :] > 0, grad, 0.0)
        if ADD:
            tl.store(dz + at, grad.to(dz.dtype.element_ty), mask=mask)
        first += grad
        second += grad * (tl.where(mask, value - centre[None, :], 0.0) * unit[None, :])
    out = partial + (group * tl.num_programs(1) + split) * 2 * C + channel
    tl.store(out, tl.sum(first, 0), mask=inside)
    tl.store(out + C, tl.sum(second, 0), mask=inside)


@triton.jit
def gradient_means(partial, means, d_weight, d_bias, R, C, S, G: tl.constexpr, BS: tl.constexpr, BC: tl.constexpr):
    """Per-group means (G, 2, C) of ``gradient_sums``, and the gradients of weight and bias."""
    channel = tl.program_id(0) * BC + tl.arange(0, BC)
    inside = channel < C
    count = R.to(tl.float32)
    all_first = tl.zeros((BC,), tl.float32)
    all_second = tl.zeros((BC,), tl.float32)
    for group in tl.static_range(G):
        split = tl.arange(0, BS)
        mask = (split < S)[:, None] & inside[None, :]
        at = partial + (group * S + split)[:, None] * 2 * C + channel[None, :]
        first = tl.sum(tl.load(at, mask=mask, other=0.0), 0)
        second = tl.sum(tl.load(at + C, mask=mask, other=0.0), 0)
        tl.store(means + group * 2 * C + channel, first / count, mask=inside)
        tl.store(means + group * 2 * C + C + channel, second / count, mask=inside)
        all_first += first
        all_second += second
    tl.store(d_bias + channel, all_first, mask=inside)
    tl.store(d_weight + channel, all_second, mask=inside)


@triton.jit
def gradient(dz, x, dx, means, mean, scale, weight, bias, R, C, MASK: tl.constexpr, BM: tl.constexpr, BC: tl.constexpr):
    """dx = weight · scale · (dz − mean(dz) − x̂ · mean(dz · x̂)); with MASK dz is dy where the ReLU let it pass."""
    channel = tl.program_id(1) * BC + tl.arange(0, BC)
    group = tl.program_id(2)
    inside = channel < C
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    mask = (row < R)[:, None] & inside[None, :]
    at = (group.to(tl.int64) * R + row)[:, None] * C + channel[None, :]
    centre = tl.load(mean + group * C + channel, mask=inside, other=0.0)
    unit = tl.load(scale + group * C + channel, mask=inside, other=0.0)
    one = tl.load(means + group * 2 * C + channel, mask=inside, other=0.0)
    two = tl.load(means + group * 2 * C + C + channel, mask=inside, other=0.0)
    factor, low = _affine(mean, scale, weight, bias, group * C + channel, channel, inside)
    value = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    grad = tl.load(dz + at, mask=mask, other=0.0).to(tl.float32)
    if MASK:
        grad = tl.where(value * factor[None, :] + low[None, :] > 0, grad, 0.0)
    unitised = (value - centre[None, :]) * unit[None, :]
    out = factor[None, :] * (grad - one[None, :] - unitised * two[None, :])
    tl.store(dx + at, out.to(dx.dtype.element_ty), mask=mask)
