"""The memory of negative keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ground.distributed import gather


class Queue(nn.Module):
    """A ring of unit-norm keys, (length, channels), written in place and never copied.

    Starts as random directions, as MoCo's. The row at ``pointer`` is the oldest.
    """

    keys: Tensor
    pointer: Tensor

    def __init__(self, length: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("keys", F.normalize(torch.randn(length, channels), dim=1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Replace the oldest rows by ``keys`` (B, channels) of all processes, in rank order.

        The length is a multiple of the batch (checked in the recipe), so a write never wraps in its middle.
        """
        keys = gather(keys.to(self.keys.dtype))
        rows = (self.pointer + torch.arange(keys.shape[0], device=keys.device)) % self.keys.shape[0]
        self.keys.index_copy_(0, rows, keys)
        self.pointer.copy_((self.pointer + keys.shape[0]) % self.keys.shape[0])
