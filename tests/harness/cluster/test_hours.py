"""How long a job may be at work over all its attempts, whoever begins them anew."""

import json
import time

import pytest
from driving import BYOL, attempt, passes, state, why

from harness import claims
from harness.cluster import rerun
from harness.endings import End
from harness.store import Store


def test_the_hours_of_all_attempts_are_bounded(drive, slurm, one, place, cluster):
    short = cluster.model_copy(update={"max_hours": 2.0})
    driver = drive(jobs=one, cluster=short)
    driver.make()
    attempt(place, one[0], slurm, signal="SIGTERM")
    slurm.say("pretrain/byol", "pending", "PENDING", "BeginTime", restarts=1)
    assert state(driver) == ("preempted", "wait")
    progress = Store(place.store).directory(one[0]) / "progress.json"
    progress.write_text(json.dumps({"seconds": 3 * 3600.0}))
    assert driver.make().called_off == 1
    assert state(driver) == ("failed", "give up")
    assert "3 h 00 min of work, and 2 h 00 min is the most" in next(iter(driver.look().standings.values())).why


def test_the_hours_of_what_slurm_requeues_by_itself_count(drive, slurm, one, place):
    driver = drive(jobs=one)
    driver.make()
    for _ in range(4):
        attempt(place, one[0], slurm, seconds=24 * 3600.0, signal="SIGTERM")
    assert state(driver) == ("queued", "wait")  # 96 hours are the most
    attempt(place, one[0], slurm, seconds=60.0, signal="SIGTERM")
    assert state(driver) == ("failed", "give up")
    assert "96 h 01 min of work, and 96 h 00 min is the most (`max_hours`" in why(driver)


def test_an_attempt_that_was_killed_without_a_word_counts_until_its_last_heartbeat(drive, slurm, one, place, cluster):
    driver = drive(jobs=one, cluster=cluster.model_copy(update={"max_hours": 2.0}))
    driver.make()
    for _ in range(2):
        claim = claims.acquire(Store(place.store).directory(one[0]) / "attempts")
        path = Store(place.store).directory(one[0]) / "attempts" / f"{claim.number:04d}"
        claim.rest()
        owner = json.loads(path.read_text())
        path.write_text(json.dumps({**owner, "pid": 0, "at": owner["at"] - 2 * 3600}))
    assert state(driver) == ("failed", "give up")
    assert "4 h 00 min of work" in why(driver)


@pytest.mark.parametrize("reported", [0.0, 97 * 3600.0])
def test_hours_of_before_a_pardon_are_forgiven_and_those_after_it_count(drive, slurm, one, place, reported):
    slurm.ends[BYOL] = ["PREEMPTED"] * 50
    driver = drive(jobs=one)
    driver.make()
    attempt(place, one[0], slurm, seconds=97 * 3600.0, signal="SIGTERM")
    progress = Store(place.store).directory(one[0]) / "progress.json"
    progress.write_text(json.dumps({"seconds": reported}))
    slurm.work()
    driver.make()
    assert state(driver) == ("failed", "give up")
    time.sleep(0.01)
    rerun.apply(drive(jobs=one), "retry")
    assert state(driver) == ("interrupted", "submit")
    driver.make()
    progress.write_text(json.dumps({"seconds": reported + 95 * 3600.0}))
    assert state(driver)[1] == "wait"
    progress.write_text(json.dumps({"seconds": reported + 97 * 3600.0}))
    assert state(driver) == ("failed", "give up")


def test_a_job_that_failed_for_itself_says_so_however_long_it_took(drive, slurm, one, place, cluster):
    place.fail("byol", "code")
    driver = drive(jobs=one, cluster=cluster.model_copy(update={"max_hours": 1e-9}))
    passes(driver, slurm, 1)
    assert state(driver) == ("failed", "give up")
    assert "a bug in byol" in why(driver)


def test_jobs_that_are_ended_at_their_limit_and_never_say_a_word_are_given_up_in_the_end(drive, slurm, one, cluster):
    slurm.ends[BYOL] = ["TIMEOUT"] * 20
    short = cluster.model_copy(update={"max_hours": 100.0})  # of 24 each
    last = passes(drive(jobs=one, cluster=short), slurm, 3)
    assert len(last.survey.history.endings) == 1
    assert last.settled is False
    place = Store(drive().store.root).directory(one[0])
    claims.acquire(place / "attempts").end(End("stopped", 1.0))
    passes(drive(jobs=one, cluster=short), slurm, 5)
    assert len(slurm.calls) == 5
    assert state(drive(jobs=one, cluster=short)) == ("failed", "give up")
