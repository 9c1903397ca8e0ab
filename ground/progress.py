"""How long work tells its progress: a callable, so that no room needs to know who listens."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Called often and cheaply by long work; the listener decides how often to show it."""

    def __call__(self, step: int, total: int, **numbers: float) -> None:
        """``step`` of ``total`` are done; ``numbers`` are shown beside (loss=…, images_per_second=…)."""
        ...


def silent(step: int, total: int, **numbers: float) -> None:
    """A report nobody reads."""
