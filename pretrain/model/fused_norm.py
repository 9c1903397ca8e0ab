"""Batch norm, ReLU and the addition of a shortcut in one pass over memory, with statistics by group of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from pretrain.model import norm_kernels as kernels

ROWS, CHANNELS, FEW = 32, 64, 8
FORWARD_PARTS, BACKWARD_PARTS = 2048, 1024
"""Programs that share the sums of one norm, about."""


@dataclass
class _Tiles:
    """How (groups · rows, channels) values are shared among programs; of the shape alone, so that sums are, too."""

    groups: int
    rows: int
    channels: int

    @classmethod
    def of(cls, x: Tensor, groups: int) -> _Tiles:
        rows = x.numel() // x.shape[1] // groups
        if rows < 2:
            given = f"{tuple(x.shape)} in {groups} groups"
            raise ValueError(f"a norm in training needs two values per channel and group, got {given}")
        return cls(groups, rows, x.shape[1])

    @property
    def blocks(self) -> int:
        return -(-self.channels // CHANNELS)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Of the kernels that write every value."""
        return -(-self.rows // ROWS), self.blocks, self.groups

    @property
    def few(self) -> tuple[int]:
        """Of the kernels that go through the sums."""
        return (-(-self.channels // FEW),)

    def split(self, programs: int) -> tuple[int, int]:
        """(blocks of rows a program sums, parts of a group)."""
        wanted = max(1, programs // (self.blocks * self.groups))
        turns = kernels.power_of_two(-(-self.rows // (wanted * ROWS)))
        return turns, -(-self.rows // (turns * ROWS))


def _statistics(x: Tensor, norm: nn.BatchNorm2d, tiles: _Tiles) -> tuple[Tensor, Tensor]:
    """Mean and 1 / deviation, (groups, channels) each; moves the running ones."""
    turns, parts = tiles.split(FORWARD_PARTS)
    partial = x.new_empty((tiles.groups, parts, 2, tiles.channels), dtype=torch.float32)
    mean, scale = x.new_empty((2, tiles.groups, tiles.channels), dtype=torch.float32)
    kernels.sums[(tiles.blocks, parts, tiles.groups)](
        x, partial, tiles.rows, tiles.channels, TURNS=turns, BM=ROWS, BC=CHANNELS
    )
    kernels.statistics[tiles.few](
        x, partial, mean, scale, norm.running_mean, norm.running_var, norm.momentum, norm.eps, tiles.rows,
        tiles.channels, parts, G=tiles.groups, BS=kernels.power_of_two(parts), BC=FEW, num_warps=8,
    )  # fmt: skip
    return mean, scale


Affine = tuple[Tensor, Tensor, Tensor, Tensor]
"""Mean, 1 / deviation, weight and bias."""


def _normalised(x: Tensor, shortcut: Tensor | None, affine: Affine, tiles: _Tiles, relu: bool) -> Tensor:
    y = torch.empty_like(x)
    kernels.normalise[tiles.grid](
        x, x if shortcut is None else shortcut, y, *affine, tiles.rows, tiles.channels,
        ADD=shortcut is not None, RELU=relu, BM=ROWS, BC=CHANNELS,
    )  # fmt: skip
    return y


def _gradients(
    dy: Tensor, x: Tensor, y: Tensor | None, affine: Affine, tiles: _Tiles, relu: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, of the sum before the ReLU, of weight and bias; with ``y``, of a norm a shortcut was added to."""
    if dy.stride() != x.stride():
        dy = torch.empty_like(x).copy_(dy)
    turns, parts = tiles.split(BACKWARD_PARTS)
    partial = x.new_empty((tiles.groups, parts, 2, tiles.channels), dtype=torch.float32)
    means = x.new_empty((tiles.groups, 2, tiles.channels), dtype=torch.float32)
    d_weight, d_bias = torch.empty_like(affine[2]), torch.empty_like(affine[3])
    masked = relu and y is not None
    dz = torch.empty_like(x) if masked else dy
    kernels.gradient_sums[(tiles.blocks, parts, tiles.groups)](
        dy, x, x if y is None else y, dz, partial, *affine, tiles.rows, tiles.channels,
        TURNS=turns, ADD=masked, RELU=relu, BM=ROWS, BC=CHANNELS,
    )  # fmt: skip
    kernels.gradient_means[tiles.few](
        partial, means, d_weight, d_bias, tiles.rows, tiles.channels, parts,
        G=tiles.groups, BS=kernels.power_of_two(parts), BC=FEW, num_warps=8,
    )  # fmt: skip
    dx = torch.empty_like(x)
    kernels.gradient[tiles.grid](
        dz, x, dx, means, *affine, tiles.rows, tiles.channels, MASK=relu and not masked, BM=ROWS, BC=CHANNELS
    )
    return dx, dz, d_weight, d_bias


class _NormAct(torch.autograd.Function):
    """Keeps the norm's input and per-channel numbers, and the output only where a shortcut was added: else the ReLU's
    mask is worked out anew."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, shortcut: Tensor | None, weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d, relu: bool,
        groups: int,
    ) -> Tensor:  # fmt: skip
        tiles = _Tiles.of(x, groups)
        affine = (*_statistics(x, norm, tiles), weight, bias)
        y = _normalised(x, shortcut, affine, tiles, relu)
        ctx.save_for_backward(x, y if shortcut is not None else None, *affine)
        ctx.relu, ctx.tiles = relu, tiles
        return y

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, y, *affine = ctx.saved_tensors
        dx, dz, d_weight, d_bias = _gradients(upstream[0], x, y, tuple(affine), ctx.tiles, ctx.relu)
        return dx, None if y is None else dz, d_weight, d_bias, None, None, None


class _NormActConv(torch.autograd.Function):
    """The convolution's input is not kept: one more pass over memory in backward, and a third less memory."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, kernel: Tensor, norm: nn.BatchNorm2d,
        convolution: nn.Conv2d, groups: int,
    ) -> Tensor:  # fmt: skip
        tiles = _Tiles.of(x, groups)
        affine = (*_statistics(x, norm, tiles), weight, bias)
        shape: tuple[Any, ...] = (convolution.stride, convolution.padding, convolution.dilation)
        with torch.autocast(x.device.type, enabled=False):
            out = torch.conv2d(_normalised(x, None, affine, tiles, True), kernel.to(x.dtype), None, *shape)
        ctx.save_for_backward(x, kernel, *affine)
        ctx.shape, ctx.tiles = shape, tiles
        return out

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel, *affine = ctx.saved_tensors
        y = _normalised(x, None, tuple(affine), ctx.tiles, True)
        with torch.autocast(x.device.type, enabled=False):
            dy, d_kernel, _ = torch.ops.aten.convolution_backward(
                upstream[0], y, kernel.to(x.dtype), None, *ctx.shape, False, [0, 0], 1, [True, True, False]
            )
        del y
        dx, _, d_weight, d_bias = _gradients(dy, x, None, tuple(affine), ctx.tiles, True)
        return dx, d_weight, d_bias, d_kernel.to(kernel.dtype), None, None, None


def norm_act(
    norm: nn.BatchNorm2d, x: Tensor, *, shortcut: Tensor | None = None, relu: bool = True, groups: int = 1
) -> Tensor:
    """``relu(norm(x) + shortcut)`` of each of ``groups`` equal parts of the batch by itself, in their order.

    Args:
        norm: in training, with running statistics; they are moved as by ``groups`` passes.
        x: (B, C, H, W), or (B, C).
        shortcut: like ``x``.
        relu: without it the sum.
        groups: divides B.

    Returns:
        Like ``x``, in channels_last.

    Raises:
        ValueError: a channel of a group has one value: it has no deviation.
    """
    _count(norm, groups)
    shortcut = None if shortcut is None else _rows(shortcut)
    return cast(Tensor, _NormAct.apply(_rows(x), shortcut, norm.weight, norm.bias, norm, relu, groups))


def norm_act_conv(norm: nn.BatchNorm2d, x: Tensor, convolution: nn.Conv2d, *, groups: int = 1) -> Tensor:
    """``convolution(relu(norm(x)))``, the convolution without bias; see ``norm_act``. Its input is worked out again in
    backward."""
    _count(norm, groups)
    kernel = convolution.weight
    return cast(Tensor, _NormActConv.apply(_rows(x), norm.weight, norm.bias, kernel, norm, convolution, groups))


def _count(norm: nn.BatchNorm2d, passes: int) -> None:
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(passes)


def _rows(x: Tensor) -> Tensor:
    """Channels beside each other."""
    return x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.contiguous_format)
