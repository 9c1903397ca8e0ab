"""A request to stop is met where a loop looks, and nowhere else unless nobody does."""

import os
import signal
import time

import pytest

from ground import stopping
from ground.stopping import Stopped


@pytest.fixture(autouse=True)
def signals(monkeypatch):
    """SIGUSR2 and SIGTERM ask, with little patience; afterwards all is as before."""
    numbers = (signal.SIGUSR2, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    monkeypatch.setattr(stopping, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(stopping, "BURST_SECONDS", 0.02)
    stopping.listen(signal.SIGUSR2, signal.SIGTERM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)
    stopping.forget()


def test_a_signal_is_a_request_that_the_next_look_finds(signals):
    assert stopping.asked() == ""
    stopping.check()
    os.kill(os.getpid(), signal.SIGUSR2)
    assert stopping.asked() == "SIGUSR2"
    with pytest.raises(Stopped, match="SIGUSR2"):
        stopping.check()


def test_who_has_looked_is_left_to_save(signals):
    os.kill(os.getpid(), signal.SIGTERM)
    assert stopping.asked() == "SIGTERM"
    time.sleep(0.2)


def test_who_saves_for_ever_is_stopped(signals, monkeypatch):
    monkeypatch.setattr(stopping, "SAVING_SECONDS", 0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    stopping.asked()
    with pytest.raises(Stopped):
        time.sleep(5)


def test_a_longer_warning_is_time_to_save(monkeypatch):
    monkeypatch.delenv(stopping.WARNING, raising=False)
    assert stopping.saving_seconds() == stopping.SAVING_SECONDS
    monkeypatch.setenv(stopping.WARNING, "600")
    assert 500 < stopping.saving_seconds() < 600
    monkeypatch.setenv(stopping.WARNING, "1")
    assert stopping.saving_seconds() == stopping.PATIENCE_SECONDS


def test_work_that_never_looks_is_stopped_in_its_midst(signals):
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Stopped, match="SIGTERM"):
        time.sleep(5)


def test_one_who_swallows_it_hears_it_again(signals):
    heard = 0
    os.kill(os.getpid(), signal.SIGTERM)
    while heard < 2:
        try:
            time.sleep(5)
        except Stopped:
            heard += 1
    assert heard == 2


def test_a_loop_of_long_steps_is_given_its_time(signals):
    stopping.asked()
    time.sleep(0.1)
    stopping.asked()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)  # four times the patience, twice the step
    assert stopping.asked() == "SIGTERM"


def test_a_second_signal_does_not_wait_but_two_at_once_are_one(signals):
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopping.asked() == "SIGTERM"
    time.sleep(0.03)
    with pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)


def test_who_has_stopped_is_not_stopped_at_saying_so(signals):
    os.kill(os.getpid(), signal.SIGTERM)
    stopping.deafen()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    assert stopping.asked() == "SIGTERM"
