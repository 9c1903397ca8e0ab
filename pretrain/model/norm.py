"""Batch normalisation over the batch of all processes, on any device."""

from __future__ import annotations

from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class SyncBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics span every process; on (B, C) and (B, C, H, W) alike.

    ``torch.nn.SyncBatchNorm`` runs on CUDA alone; this one also on CPU and gloo. In one process it is
    ``nn.BatchNorm2d``, bit for bit. On CUDA with several processes ``use_fused_norms`` puts torch's in its place.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"expected (B, C) or (B, C, H, W), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input`` over every axis but the channels."""
        if not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(input)
        self._check_input_dim(input)
        axes = [axis for axis in range(input.dim()) if axis != 1]
        count = input.numel() // input.shape[1]
        values = input.float()
        ones = values.new_full((1,), float(count))
        sums = cast(Tensor, all_reduce(torch.cat([values.sum(axes), ones])))
        total = sums[-1]
        mean = sums[:-1] / total
        shape = [1, -1] + [1] * (input.dim() - 2)
        # Two passes: E[x²] − E[x]² loses the digits a deep network needs.
        squares = (values - mean.view(shape)).square().sum(axes)
        variance = cast(Tensor, all_reduce(squares)) / total
        self._track(mean, variance * (total / (total - 1)))
        normal = (values - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        return (normal * self.weight.view(shape) + self.bias.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def use_fused_norms(network: nn.Module) -> None:
    """Put torch's fused synchronised batch norm, which runs on CUDA alone, in the place of ours.

    Only of ours: a norm of one process's groups (ShuffleBN) stays what it is.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SyncBatchNorm):
                setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))


def in_groups(network: nn.Module, images: Tensor, group: int) -> Tensor:
    """``network`` run on consecutive groups of ``group`` images, so that its batch norms see one group at a time.

    One GPU's share in the official MoCo-style code, whatever the batch here.
    """
    if images.shape[0] <= group:
        return cast(Tensor, network(images))
    return torch.cat([network(part) for part in torch.split(images, group)])
