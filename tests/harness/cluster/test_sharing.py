"""One store, two Slurms or two users: nobody judges from his queue what is in another's."""

import itertools
from argparse import Namespace

import pytest

from harness.cluster import cancel, outlook
from harness.jobs import Job

WHOSE = ["cluster a", "user x"]


@pytest.fixture
def elsewhere(slurm):
    """``elsewhere("cluster a")``: another queue, which shows nothing of what was submitted so far."""

    def make(whose):
        other = type(slurm)()
        other.numbers, other.submissions = itertools.count(500), slurm.submissions
        other.foreign = {each.token: whose for each in slurm.calls}
        return other

    return make


def states(survey):
    return {each.state for each in survey.standings.values()}


@pytest.mark.parametrize("whose", WHOSE)
def test_what_another_has_queued_is_waited_for_and_not_submitted(whose, drive, slurm, elsewhere):
    drive().make()
    other = elsewhere(whose)
    driver = drive(backend=other)
    done = driver.make()
    assert (other.calls, other.cancelled, done.settled) == ([], [], False)
    assert states(done.survey) == {"queued"}
    assert all(f"belongs to {whose}" in each.why for each in done.survey.standings.values())
    assert f"elsewhere (belong to {whose}: waited for)" in outlook.queue(done.survey)
    assert driver.look().history.closed == set()


def test_what_another_has_done_is_done(drive, slurm, elsewhere):
    drive().make()
    other = elsewhere("cluster a")
    driver = drive(backend=other)
    driver.make()
    slurm.work()
    assert states(driver.make().survey) == {"done"}
    assert other.calls == []


def test_a_job_behind_anothers_is_not_submitted_with_its_id(drive, slurm, elsewhere, planned):
    parents: list[Job] = [job for job in planned.jobs if not job.parents]
    drive(jobs=parents).make()
    other = elsewhere("user x")
    driver = drive(backend=other)
    assert not driver.make().settled
    assert [call.after for call in other.calls if call.after] == []
    slurm.work()
    driver.make()
    other.work()
    assert states(driver.make().survey) == {"done"}


def test_what_belongs_to_another_is_not_cancelled(drive, slurm, elsewhere, place, cluster, monkeypatch, capsys):
    drive().make()
    other = elsewhere("user x")
    monkeypatch.setattr(cancel, "_cluster", lambda options, store: cluster)
    options = {"tables": [], "command": ["cancel"], "cluster": None, "yes": True, "dry_run": False}
    assert cancel.cancel(Namespace(store=str(place.store), **options), other) == 0
    assert other.cancelled == []
    assert "belong to user x: only there can they be cancelled" in capsys.readouterr().out
