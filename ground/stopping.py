"""A polite request to stop: a signal leaves it, the loop of a training sees it, saves a checkpoint and goes.

A step is never cut in half: whoever works in steps asks ``asked()`` between two of them, writes down all that is needed
to go on, and raises ``Stopped``.
"""

from __future__ import annotations

_asked: list[str] = []


class Stopped(BaseException):
    """The job was asked to stop, or another process has taken it over; what it has done so far is kept."""


def ask(reason: str) -> None:
    """Request a stop. Safe in a signal handler."""
    _asked.append(reason)


def asked() -> str:
    """The first request's reason; empty if there was none."""
    return _asked[0] if _asked else ""


def forget() -> None:
    """As if nobody had asked."""
    _asked.clear()
