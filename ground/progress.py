"""How long work tells its progress: a callable, so that no room needs to know who listens."""

from __future__ import annotations

from typing import Protocol

WAITED = "waited_seconds"
"""A number that is no news but kept: seconds since this work began that it stood still for want of its data."""


class Report(Protocol):
    """Called often and cheaply by long work; the listener decides how often to show it."""

    def __call__(self, step: int, total: int, **numbers: float) -> None:
        """``step`` of ``total`` are done; ``numbers`` but for ``WAITED`` are shown beside (loss=…, images_per_second=…,
        waits_for_images=…, a share of the time)."""
        ...


def silent(step: int, total: int, **numbers: float) -> None:
    """A report nobody reads."""
