"""Layer-wise adaptive rate scaling, as SlotCon and PixPro train with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast, overload

import torch
from torch import Tensor


class Lars(torch.optim.Optimizer):
    """SGD whose steps are in proportion to each tensor's norm (You et al., 2017; methods.md B.5).

    ``g ← g + weight_decay · p``, ``g ← g · eta |p| / (|g| + epsilon)`` (no scaling where either norm is 0),
    ``v ← momentum · v + g``, ``p ← p − lr · v``. One-dimensional tensors, biases and norms, are neither decayed nor
    scaled. The buffer holds scaled gradients and ``lr`` multiplies the buffer, so that a change of rate works at once
    (CVMI-Lab/SlotCon utils/lars.py; zdaxie/PixPro contrast/lars.py, whose ``epsilon`` is 1e-8).

    Args:
        parameters: what is trained; those without a gradient are left alone.
        lr: learning rate, set anew before each step.
        momentum: share of the buffer that stays.
        weight_decay: added to the gradient before it is scaled.
        eta: trust coefficient.
        epsilon: added to the gradient's norm.
        fused: a loss scaler leaves it to ``step`` to take its scale off and to skip what overflowed, as to torch's
            fused SGD. Else it waits for the device in every step, to know whether anything did.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        *,
        momentum: float,
        weight_decay: float,
        eta: float,
        epsilon: float = 0.0,
        fused: bool = False,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eta": eta, "epsilon": epsilon}
        super().__init__(parameters, defaults)
        self._step_supports_amp_scaling = fused

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient. Gradients are left as they are."""
        # Set by a loss scaler for this step: its scale, and how many gradients are not finite.
        scale, overflows = getattr(self, "grad_scale", None), getattr(self, "found_inf", None)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not moved:
                continue
            updates = [cast(Tensor, parameter.grad) for parameter in moved]
            if scale is not None:
                updates = list(torch._foreach_mul(updates, scale.double().reciprocal().float()))
            scaled = [number for number, parameter in enumerate(moved) if parameter.dim() != 1]
            adapted = _adapted([moved[n] for n in scaled], [updates[n] for n in scaled], group)
            for number, update in zip(scaled, adapted, strict=True):
                updates[number] = update
            buffers = [self._buffer(parameter) for parameter in moved]
            if overflows is None:
                _move(moved, buffers, updates, group["momentum"], group["lr"])
            else:
                _move_unless(overflows > 0, moved, buffers, updates, group["momentum"], group["lr"])
        return loss

    def _buffer(self, parameter: Tensor) -> Tensor:
        """The parameter's momentum buffer, zero at first."""
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def _move(parameters: list[Tensor], buffers: list[Tensor], updates: list[Tensor], momentum: float, rate: float) -> None:
    torch._foreach_mul_(buffers, momentum)
    torch._foreach_add_(buffers, updates)
    torch._foreach_add_(parameters, buffers, alpha=-rate)


def _move_unless(
    skip: Tensor, parameters: list[Tensor], buffers: list[Tensor], updates: list[Tensor], momentum: float, rate: float
) -> None:
    """``_move``, or nothing where ``skip`` holds, which stays on the device."""
    updates = [torch.where(skip, 0.0, update) for update in updates]  # not by a product: it keeps what is no number
    torch._foreach_mul_(buffers, torch.where(skip, 1.0, momentum))
    torch._foreach_add_(buffers, updates)
    torch._foreach_sub_(parameters, torch._foreach_mul(buffers, torch.where(skip, 0.0, rate)))


def _adapted(parameters: list[Tensor], gradients: list[Tensor], group: dict[str, float]) -> list[Tensor]:
    """The decayed gradients, each scaled to ``eta`` times its parameter's norm."""
    if not parameters:
        return []
    updates = torch._foreach_add(gradients, parameters, alpha=group["weight_decay"])
    sizes, lengths = (torch.stack(torch._foreach_norm(tensors)) for tensors in (parameters, updates))
    scales = group["eta"] * sizes / (lengths + group["epsilon"])
    scales = torch.where((sizes > 0) & (lengths > 0), scales, torch.ones_like(scales))
    return list(torch._foreach_mul(updates, list(scales.unbind())))
