"""What comes next, by how earlier starts ended: with a queue that remembers and one that has forgotten."""

import json

import pytest
from driving import BYOL, attempt, passes, state

from harness import claims
from harness.store import Store
from slurm.cluster import Retries


@pytest.mark.parametrize(
    ("word", "starts"),
    [("OUT_OF_MEMORY", 2), ("NODE_FAIL", 6), ("FAILED", 3), ("CANCELLED", 3)],
)
def test_a_class_is_tried_again_as_often_as_the_profile_says(drive, slurm, one, word, starts):
    slurm.ends[BYOL] = [word] * 20
    last = passes(drive(jobs=one), slurm, 8)
    assert len(slurm.calls) == starts
    assert last.settled
    assert state(drive(jobs=one)) == ("failed", "give up")


@pytest.mark.parametrize("word", ["PREEMPTED", "TIMEOUT"])
def test_what_is_nobodys_fault_goes_on_without_end(drive, slurm, one, cluster, word):
    slurm.ends[BYOL] = [word] * 12
    long = cluster.model_copy(update={"max_hours": 1000.0})  # each time limit is 24
    passes(drive(jobs=one, cluster=long), slurm, 13)
    assert len(slurm.calls) == 13
    assert state(drive(jobs=one, cluster=long)) == ("done", "none")


def test_out_of_memory_asks_for_more(drive, slurm, one, cluster):
    kinds = cluster.kinds.model_copy(update={"pretrain": cluster.kinds.pretrain.model_copy(update={"memory": "2G"})})
    more = cluster.model_copy(update={"kinds": kinds, "retries": Retries(memory=3)})
    slurm.ends[BYOL] = ["OUT_OF_MEMORY", "PREEMPTED", "OUT_OF_MEMORY"]
    passes(drive(jobs=one, cluster=more), slurm, 4)
    assert [each.request.memory_mb for each in slurm.calls] == [2048, 3072, 3072, 4608]


def test_a_queue_that_forgets_is_made_up_for_by_the_jobs_last_word(drive, slurm, one, place):
    driver = drive(jobs=one)
    driver.make()
    attempt(place, one[0], slurm, signal="SIGTERM")
    slurm.say("pretrain/byol", "ended", "whatever")
    slurm.forgets = True
    assert state(driver) == ("preempted", "submit")
    driver.make()
    (ending,) = driver.look().history.endings[f"pretrain/{one[0].name}"]
    assert (ending.outcome, ending.nodes) == ("preempted", "n7")


def test_a_job_whose_heart_still_seems_to_beat_is_not_given_to_another(drive, slurm, one, place, monkeypatch):
    driver = drive(jobs=one)
    driver.make()
    claim = claims.acquire(Store(place.store).directory(one[0]) / "attempts")
    slurm.say("pretrain/byol", "ended", "NODE_FAIL")
    assert state(driver) == ("running", "wait")
    monkeypatch.setattr(claims, "_state_and_start", lambda pid: ("R", "later"))
    assert state(driver) == ("interrupted", "submit")
    claim.rest()


def test_a_job_that_starts_before_its_parent_is_done_is_started_again(drive, slurm, planned, place, monkeypatch):
    pair = planned.jobs[:2]
    driver = drive(jobs=pair)
    driver.make()
    child = next(entry for entry in slurm.entries if slurm._of(slurm.entries[entry]).after)
    with monkeypatch.context() as inside:
        inside.setenv("SLURM_JOB_ID", "9")
        inside.setattr("harness.parents.PATIENCE_SECONDS", 0.0)
        slurm._start(child)
    passes(driver, slurm, 3)
    assert {each.state for each in driver.look().standings.values()} == {"done"}


@pytest.mark.parametrize(("advances", "starts"), [(True, 9), (False, 3)])
def test_a_job_that_comes_further_each_time_is_no_lost_cause(drive, slurm, one, place, advances, starts):
    slurm.ends[BYOL] = ["FAILED"] * 20
    driver = drive(jobs=one)
    for number in range(8):
        driver.make()
        slurm.work()
        directory = Store(place.store).directory(one[0])
        (directory / "progress.json").write_text(json.dumps({"step": 100 * (number + 1) if advances else 100}))
    driver.make()
    assert len(slurm.calls) == starts
