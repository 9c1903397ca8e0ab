"""What tests of several rooms need."""

import os
from pathlib import Path

import pytest

from ground import stopping
from ground.stopping import Stopped

if not Path("/dev/nvidiactl").exists():
    # Without a GPU Triton's interpreter runs the kernels; it has to be asked before Triton is imported by anybody.
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture
def stopped_at():
    """``stopped_at(step, work)``: ``work(report)`` is asked to stop when it reports the step, and does; gives the last
    step that it reported. Then it is as if nobody had asked."""

    def interrupt(at, work, reason="SIGTERM"):
        steps = []

        def report(step, total, **numbers):
            steps.append(step)
            if step == at:
                stopping.ask(reason)

        with pytest.raises(Stopped, match=reason):
            work(report)
        stopping.forget()
        return steps[-1]

    stopping.forget()
    yield interrupt
    stopping.forget()


class Killed(BaseException):
    """Stands for the end of a process: nothing but a test catches it."""


@pytest.fixture
def killed_at():
    """``killed_at(step, work)``: ``work(report)`` is at its end when it reports the step."""

    def kill(at, work):
        def report(step, total, **numbers):
            if step == at:
                raise Killed

        with pytest.raises(Killed):
            work(report)

    return kill
