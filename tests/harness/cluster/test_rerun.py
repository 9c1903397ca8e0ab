"""What is begun anew because somebody asks, or because something needs what is gone."""

import time
from collections import Counter

from driving import BYOL, passes, state

from harness.cluster import rerun
from harness.store import Store


def test_failures_are_counted_in_the_store_and_forgiven_when_somebody_asks(drive, slurm, one):
    slurm.ends[BYOL] = ["FAILED"] * 5
    for _ in range(5):  # another harness each time
        passes(drive(jobs=one), slurm, 1)
    assert len(slurm.calls) == 3
    time.sleep(0.01)
    rerun.apply(drive(jobs=one), "retry")
    assert state(drive(jobs=one))[1] == "submit"
    passes(drive(jobs=one), slurm, 3)
    assert state(drive(jobs=one)) == ("done", "none")


def test_a_mended_failure_is_done_again_when_somebody_asks(drive, slurm, one, place):
    place.fail("byol", "code")
    passes(drive(jobs=one), slurm, 2)
    place.mend("byol")
    assert (len(slurm.calls), state(drive(jobs=one))) == (1, ("failed", "give up"))
    rerun.apply(drive(jobs=one), "retry")
    passes(drive(jobs=one), slurm, 1)
    assert state(drive(jobs=one)) == ("done", "none")


def test_force_begins_anew_but_for_what_is_in_the_queue(drive, slurm, planned, place):
    passes(drive(jobs=planned.jobs[:2]), slurm, 1)
    third = planned.jobs_of("pixcon-sr", None)
    drive(jobs=third).make()
    lines = rerun.apply(drive(), "force")
    assert lines == ["1 jobs are in the queue, at work, or read from: they stay"]
    assert len(list((place.store / ".replaced").glob("*/*"))) == 2
    passes(drive(), slurm, 1)
    assert Counter(slurm.names())[BYOL] == 2
    assert Counter(slurm.names())["pretrain/pixcon-sr.scenes.s0"] == 1


def test_weights_that_are_gone_are_made_again_if_something_needs_them(drive, slurm, planned, place):
    passes(drive(jobs=planned.jobs[:1]), slurm, 1)
    weights = Store(place.store).directory(planned.jobs[0]) / "backbone.safetensors"
    weights.unlink()
    assert drive(jobs=planned.jobs[:1]).look().wanting("submit") == []
    passes(drive(jobs=planned.jobs[:2]), slurm, 1)
    assert weights.exists()
    assert slurm.names().count(BYOL) == 2
