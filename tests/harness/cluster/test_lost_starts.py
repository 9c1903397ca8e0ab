"""Starts that Slurm itself has begun anew, without a word of theirs: whose fault they were."""

import json
import os
import time

import pytest
from driving import state

from harness import claims
from harness.cluster import restarts
from harness.store import Store


def leave(attempts, identity):
    """An attempt of a first start on n3, an hour ago."""
    claim = claims.acquire(attempts)
    path = attempts / f"{claim.number:04d}"
    owner = {**json.loads(path.read_text()), "slurm": identity, "nodes": "n3", "restart": 0}
    path.write_text(json.dumps({**owner, "machine": "elsewhere"}))
    claim.rest()
    os.utime(path, (time.time() - 3600,) * 2)


@pytest.fixture
def lost(drive, slurm, one, place):
    """``lost(word)``: a driver whose job was begun anew after a start on n3 of which nothing tells but accounting."""

    def lost(word="", entry=("pending", "PENDING", "BeginTime")):
        driver = drive(jobs=one)
        driver.make()
        attempts = Store(place.store).directory(one[0]) / "attempts"
        leave(attempts, slurm.calls[0].id_of(0))
        slurm.words = {(0, 0): word} if word else {}
        slurm.say("pretrain/byol", *entry, restarts=1)
        return driver

    return lost


def endings(driver):
    return [each for endings in driver.look().history.endings.values() for each in endings]


@pytest.mark.parametrize("word", ["PREEMPTED", "REQUEUED"])
def test_one_that_slurm_itself_has_ended_is_not_its_nodes_fault(lost, slurm, word):
    driver = lost(word)
    for _ in range(2):
        driver.make()
        (ending,) = endings(driver)
        assert (ending.outcome, ending.nodes, ending.restart) == ("preempted", "n3", 0)
        assert word in ending.words
        assert driver.look().history.bad_nodes() == {}
        assert state(driver) == ("preempted", "wait")
    slurm.say("pretrain/byol", "ended", "CANCELLED", restarts=1)
    driver.make()
    assert slurm.calls[1].request.exclude == ()


@pytest.mark.parametrize("word", ["NODE_FAIL", ""])
def test_one_whose_node_failed_or_of_which_nobody_knows_is(lost, word):
    driver = lost(word)
    driver.make()
    (ending,) = endings(driver)
    assert (ending.outcome, list(driver.look().history.bad_nodes())) == ("node", ["n3"])


def test_one_that_was_told_to_go_and_has_not_gone_is_given_time_for_its_last_word(lost, slurm):
    """Slurm counts the next start already."""
    driver = lost(entry=("running", "COMPLETING", ""))
    driver.make()
    assert endings(driver) == []
    slurm.say("pretrain/byol", "pending", "PENDING", "BeginTime", restarts=1)
    driver.make()
    assert len(endings(driver)) == 1


@pytest.fixture
def late(lost, monkeypatch, slurm, one, place):
    """A driver of a start that was lost right now, of which accounting knows nothing yet."""
    monkeypatch.setattr(restarts, "AGAIN_SECONDS", 0.0)
    driver = lost()
    os.utime(Store(place.store).directory(one[0]) / "attempts" / "0001")
    return driver


@pytest.mark.parametrize("word", ["PREEMPTED", "NODE_FAIL"])
def test_no_node_is_blamed_while_accounting_may_be_late(late, slurm, word):
    late.make()
    assert (endings(late), late.look().history.bad_nodes()) == ([], {})
    slurm.words = {(0, 0): word}
    late.make()
    (ending,) = endings(late)
    assert ending.outcome == ("node" if word == "NODE_FAIL" else "preempted")


def test_where_there_is_no_accounting_nobody_waits_for_its_word(late, slurm):
    slurm.words = None
    late.make()
    assert list(late.look().history.bad_nodes()) == ["n3"]


def test_accounting_is_not_asked_about_every_start_and_at_every_look(drive, slurm, planned, place, monkeypatch):
    jobs = [job for job in planned.jobs if job.kind == "pretrain"]
    driver, asked = drive(jobs=jobs), []
    driver.make()
    for submission in slurm.submissions:
        for index, task in enumerate(submission.tasks):
            leave(Store(place.store).root / task.name / "attempts", submission.id_of(index))
            slurm.say(task.name, "pending", "PENDING", "BeginTime", restarts=1)
    monkeypatch.setattr(slurm, "starts", lambda cluster, submission: asked.append(submission.token) or {})
    driver.look()
    driver.look()
    driver.make()
    assert len(jobs) > len(slurm.submissions)
    assert sorted(asked) == sorted(each.token for each in slurm.submissions)


def test_accounting_is_asked_once_about_a_start(lost, slurm, monkeypatch):
    driver, asked = lost("PREEMPTED"), []
    monkeypatch.setattr(slurm, "starts", lambda cluster, submission: asked.append(submission.token) or slurm.words)
    driver.make()
    before = len(asked)
    driver.make()
    driver.look()
    assert (before > 0, len(asked)) == (True, before)
