"""InfoNCE against a queue without ever holding all logits."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

COLDEST = 0.07
"""The lowest temperature of the kernel: below it half precision loses the shares of all but the nearest keys."""


class _QueueInfoNCE(torch.autograd.Function):
    """Neither positives nor queue carry a gradient, so the gradient with respect to the queries is known as soon as
    the loss is: both are computed block by block and only (N,) losses and (N, C) gradients stay."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, positives: Tensor, queue: Tensor, temperature: float, block: int) -> Tensor:
        losses = queries.new_empty(queries.shape[0])
        gradients = torch.empty_like(queries) if ctx.needs_input_grad[0] else None
        for start in range(0, queries.shape[0], block):
            part = slice(start, start + block)
            query, positive = queries[part], positives[part]
            logits = query @ queue.T
            logits /= temperature
            own = (query * positive).sum(1) / temperature
            normaliser = torch.logaddexp(own, logits.logsumexp(1))
            losses[part] = normaliser - own
            if gradients is not None:
                share = logits.sub_(normaliser.unsqueeze(1)).exp_()
                pull = (own - normaliser).exp().sub_(1).unsqueeze(1)
                gradients[part] = torch.addmm(pull * positive, share, queue).div_(temperature)
        if gradients is not None:
            ctx.save_for_backward(gradients)
        return losses

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradients,) = ctx.saved_tensors
        return gradients * upstream[0].unsqueeze(1), None, None, None, None


class _FusedInfoNCE(torch.autograd.Function):
    """The same with the kernel: queries and queue in half precision, all sums in single.

    Half precision is fp16 whatever autocast says: of unit vectors it keeps three bits more than bf16 does.
    """

    @staticmethod
    def forward(ctx: Any, queries: Tensor, positives: Tensor, queue: Tensor, temperature: float) -> Tensor:
        from pretrain.branches.infonce_kernel import attend

        others, pull = attend(queries.half(), queue.half(), temperature)
        own = (queries * positives).sum(1) / temperature
        normaliser = torch.logaddexp(own, others)
        if ctx.needs_input_grad[0]:
            pull *= (others - normaliser).exp_().unsqueeze(1)
            pull.addcmul_((own - normaliser).exp_().sub_(1).unsqueeze(1), positives)
            ctx.save_for_backward(pull.div_(temperature))
        return normaliser - own

    backward = _QueueInfoNCE.backward


def kernel_serves(queries: Tensor, temperature: float) -> bool:
    """Whether the kernel may stand for the blocks: on CUDA, under autocast, not below ``COLDEST``."""
    return queries.is_cuda and torch.is_autocast_enabled("cuda") and temperature >= COLDEST


def queue_infonce(
    queries: Tensor, positives: Tensor, queue: Tensor, temperature: float, block: int = 4096, *, fused: bool = False
) -> Tensor:
    """``−log( e^{q·k/T} / (e^{q·k/T} + Σ_n e^{q·Q_n/T}) )`` per query (MoCo, eq. 1; methods.md B.1).

    Args:
        queries: (N, C), unit norm; the only input that gets a gradient.
        positives: (N, C), unit norm.
        queue: (K, C), unit norm. It may be overwritten afterwards: nothing is kept for backward.
        temperature: T.
        block: queries compared with the queue at once; memory is ``block × K``, never ``N × K``.
        fused: where ``kernel_serves``, by a kernel whose memory is ``N + K``; by blocks elsewhere.

    Returns:
        (N,) losses, in single precision whatever autocast says.
    """
    fused = fused and kernel_serves(queries, temperature)
    with torch.autocast(queries.device.type, enabled=False):
        queries, positives, queue = queries.float(), positives.float().detach(), queue.detach()
        if fused:
            return cast(Tensor, _FusedInfoNCE.apply(queries, positives, queue, temperature))
        losses = _QueueInfoNCE.apply(queries, positives, queue, temperature, block)
        return cast(Tensor, losses)
