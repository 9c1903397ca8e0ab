"""Keys of the running step, until the step ends and one view's are enqueued."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pretrain.model.queue import Queue


class FreshKeys(nn.Module):
    """A queue and the keys waiting for it.

    The loss of a step must not see the step's own keys, and with gradient accumulation a step has several
    micro-batches: keys wait here, in order, until ``enqueue``.
    """

    def __init__(self, length: int, channels: int) -> None:
        super().__init__()
        self.queue = Queue(length, channels)
        self._waiting: dict[int, list[Tensor]] = {}

    def keep(self, view: int, keys: Tensor) -> None:
        """Remember this micro-batch's unit-norm keys (B, channels) of one view."""
        self._waiting.setdefault(view, []).append(keys.detach())

    def remembered(self) -> Callable[[], None]:
        """What makes the keys that wait now wait again."""
        waiting = dict(self._waiting)

        def put_back() -> None:
            self._waiting = dict(waiting)

        return put_back

    def enqueue(self, view: int) -> None:
        """Enqueue the keys of ``view`` (of the only view there is, where the loss has one direction) and forget all."""
        keys = self._waiting.get(view) or next(iter(self._waiting.values()))
        self.queue.enqueue(torch.cat(keys))
        self._waiting.clear()
