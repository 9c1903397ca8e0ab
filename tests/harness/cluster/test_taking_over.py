"""What a job that is submitted anew is told of the attempt before it."""

import json
import os

import pytest

from harness import claims, hearts
from harness.store import Store


@pytest.fixture
def left(drive, slurm, one, place):
    """``left(identity)``: a driver whose job's attempt, of a machine elsewhere, ended without a word of its own."""

    def left(identity):
        driver = drive(jobs=one)
        driver.make()
        attempts = Store(place.store).directory(one[0]) / "attempts"
        claims.acquire(attempts).rest()
        path = attempts / "0001"
        words = {"slurm": identity or slurm.calls[0].id_of(0), "machine": "elsewhere"}
        path.write_text(json.dumps({**json.loads(path.read_text()), **words}))
        os.utime(path, (0, 0))
        slurm.say("pretrain/byol", "ended", "NODE_FAIL", nodes="n3")
        return driver

    return left


def told(slurm):
    (task,) = slurm.calls[-1].tasks
    return task.arguments[1:]


def test_one_whose_end_our_slurm_has_seen_is_over(left, slurm):
    left("").make()
    assert (len(slurm.calls), told(slurm)) == (2, ("1",))


def test_one_of_another_slurm_is_not_over_for_that(left, slurm):
    left("4711_0").make()
    assert (len(slurm.calls), told(slurm)) == (2, ())


def test_one_that_we_have_looked_at_for_long_is(left, slurm, monkeypatch):
    driver = left("4711_0")
    driver.look()
    monkeypatch.setattr(hearts, "DEAD_AFTER_SECONDS", 0.0)
    driver.make()
    assert (len(slurm.calls), told(slurm)) == (2, ("1",))
