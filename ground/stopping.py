"""A polite request to stop: a signal leaves it, the loop of a training sees it, saves a checkpoint and goes.

A step is never cut in half: whoever works in steps asks ``asked()`` between two of them, writes down all that is needed
to go on, and raises ``Stopped``; where nothing has to be written, ``check()`` is enough. Who does not look is stopped
all the same: where nobody has for a while after the request, or it comes a second time, ``Stopped`` is raised in the
midst of whatever the main thread does. Then the last checkpoint that was saved is what the next attempt goes on from.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from types import FrameType

PATIENCE_SECONDS = 5.0
"""How long after a request nobody needs to look, at least; a loop of long steps is given three of them."""
SAVING_SECONDS = 60.0
"""How long who has seen the request may take to go, where nobody has said how long before the end it comes."""
WARNING = "STOP_WARNING_SECONDS"
"""Variable that says how long: all of it but ``LEAVING_SECONDS`` is for saving."""
LEAVING_SECONDS = 15.0
BURST_SECONDS = 1.0
"""Signals that come together are one: Slurm and its ``srun`` each pass one on."""


class Stopped(BaseException):
    """The job was asked to stop, or another process has taken it over; what it has done so far is kept."""


@dataclass
class _Request:
    """Who asked, and who has looked."""

    reasons: list[str] = field(default_factory=list)
    since: float = 0.0
    looked: float = 0.0
    step: float = 0.0
    """Seconds between the last two looks."""
    seen: bool = False


_request = _Request()
_heard: set[signal.Signals] = set()
"""What `listen` was told."""


def ask(reason: str) -> None:
    """Request a stop. Safe in a signal handler."""
    if not _request.reasons:
        _request.since = time.monotonic()
    _request.reasons.append(reason)


def asked() -> str:
    """The first request's reason; empty if there was none. Costs nothing: called between any two steps."""
    now = time.monotonic()
    _request.step, _request.looked = now - (_request.looked or now), now
    if not _request.reasons:
        return ""
    _request.seen = True
    return _request.reasons[0]


def check() -> None:
    """Raises ``Stopped`` if anybody asked: for work that has nothing to save."""
    if reason := asked():
        raise Stopped(reason)


def forget() -> None:
    """As if nobody had asked or looked."""
    global _request
    _request = _Request()


def listen(*numbers: signal.Signals) -> None:
    """From now on these signals, named as the reason, ask for a stop. Uses SIGALRM to see to it."""
    forget()
    signal.signal(signal.SIGALRM, _remind)
    for number in numbers:
        signal.signal(number, _hear)
        _heard.add(number)


def deafen() -> None:
    """From now on the signals of `listen` do nothing: who has stopped must not be stopped at leaving word of it."""
    if _heard:
        signal.setitimer(signal.ITIMER_REAL, 0)
    while _heard:
        signal.signal(_heard.pop(), signal.SIG_IGN)


def in_worker(_number: int) -> None:
    """``worker_init_fn`` of a loader: a signal to all processes of a job must not end those that read images for one
    that has yet to take a step and save it. They end with it."""
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def saving_seconds() -> float:
    """How long who has seen the request may take to go."""
    warning = os.environ.get(WARNING, "")
    return max(float(warning) - LEAVING_SECONDS, PATIENCE_SECONDS) if warning.isdigit() else SAVING_SECONDS


def pending() -> str:
    """As `asked`, for one who only wants to know and will not act upon it."""
    return _request.reasons[0] if _request.reasons else ""


def _hear(number: int, _frame: FrameType | None) -> None:
    again = bool(_request.reasons) and time.monotonic() - _request.since > BURST_SECONDS
    name = signal.Signals(number).name
    ask(name)
    if again:
        raise Stopped(name)
    signal.setitimer(signal.ITIMER_REAL, max(PATIENCE_SECONDS, 3 * _request.step))


def _remind(_number: int, _frame: FrameType | None) -> None:
    """Nobody may have looked since the request, or who has seen it may hang."""
    left = max(_request.looked, _request.since) + saving_seconds() - time.monotonic()
    if _request.seen and left > 0:
        signal.setitimer(signal.ITIMER_REAL, left)
        return
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)  # whoever swallows it hears it again
    raise Stopped(pending() or "SIGALRM")
