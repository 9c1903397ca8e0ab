"""Who looks after jobs while nobody watches."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ground.errors import ConfigError
from ground.stopping import Stopped
from harness import allocation, claims
from harness.allocation import Allocation
from harness.claims import Owner
from harness.cluster import keeper, showing
from harness.endings import End
from harness.store import Store
from slurm.cluster import Keeper


@pytest.fixture
def kept(cluster):
    return cluster.model_copy(update={"keeper": Keeper(hours=2, partition="small")})


@pytest.fixture
def ask(drive, planned, kept):
    def ask(jobs=planned.jobs):
        driver = drive(jobs=jobs, cluster=kept)
        return keeper.ask(driver, driver.make().survey, planned.profile.seconds, "harness run 1")

    return ask


@pytest.fixture
def folder(drive, slurm):
    return keeper.folder_of(drive().surveyor.home, slurm)


def keepers(slurm):
    return [each for each in slurm.calls if each.tasks[0].name == "keeper"]


def test_there_is_one_keeper_of_a_store_for_all_that_is_asked_of_it(ask, slurm, planned):
    assert "the keeper 104 looks after them" in ask()
    assert "the keeper 104 looks after them" in ask(planned.jobs[:3])
    (one,) = keepers(slurm)
    assert (one.request.partition, one.request.minutes, one.request.gpus_per_node) == ("small", 120, 0)


def test_a_keeper_is_none_of_the_jobs_that_may_be_in_the_queue_at_once(drive, slurm, kept, planned):
    driver = drive(cluster=kept.model_copy(update={"max_jobs": 1}))
    keeper.ask(driver, driver.make().survey, planned.profile.seconds, "harness run 1")
    slurm.say("keeper", "running", "RUNNING")
    for _ in range(3):
        slurm.work()
        driver.make()
    assert (len(keepers(slurm)), len(slurm.calls)) == (1, 1 + 4)


def test_a_keeper_gives_up_what_slurm_refuses_and_leaves_word_of_it(ask, drive, slurm, planned, folder, monkeypatch):
    ask(planned.jobs[:1])
    slurm.say("pretrain/byol", "ended", "NODE_FAIL")

    def refuse(*arguments, **more):
        raise ConfigError("sbatch", "Slurm says: no", "Mend it.")

    monkeypatch.setattr(slurm, "submit", refuse)
    monkeypatch.setattr(keeper, "_pause", lambda seconds: None)
    keeper.keep(drive().surveyor.home, slurm, folder)
    (standing,) = drive(jobs=planned.jobs[:1], since=0.0).look().standings.values()
    assert (standing.state, "Slurm says: no" in standing.why) == ("failed", True)


@pytest.mark.parametrize(("state", "word"), [("ended", "TIMEOUT"), ("running", "COMPLETING")])
def test_one_that_has_ended_or_is_just_ending_is_followed_by_another(ask, slurm, state, word):
    ask()
    slurm.say("keeper", state, word)
    ask()
    assert len(keepers(slurm)) == 2


def test_without_a_keeper_in_the_profile_there_is_none(drive, planned, slurm):
    driver = drive()
    words = keeper.ask(driver, driver.make().survey, planned.profile.seconds, "harness run 1")
    assert "nobody looks after them" in words
    assert keepers(slurm) == []


def test_a_keeper_starts_anew_what_is_lost_and_goes_when_nothing_is_left(ask, drive, slurm, monkeypatch, folder):
    slurm.ends["pretrain/byol.scenes.s0"] = ["PREEMPTED", "PREEMPTED"]
    ask()
    slurm.say("keeper", "running", "RUNNING")
    home = drive().surveyor.home
    monkeypatch.setattr(keeper, "_pause", lambda seconds: slurm.work())
    keeper.keep(home, slurm, folder)
    assert {each.state for each in drive().look().standings.values()} == {"done"}
    assert keeper.requests(folder) == []


def test_a_keeper_that_is_told_to_go_leaves_its_work_to_the_next(ask, drive, slurm, monkeypatch, folder):
    ask()

    def told(seconds):
        raise Stopped("SIGUSR2")

    monkeypatch.setattr(keeper, "_pause", told)
    home = drive().surveyor.home
    with pytest.raises(Stopped):
        keeper.keep(home, slurm, folder)
    assert len(keeper.requests(folder)) == 1


@pytest.mark.parametrize(
    ("signal", "grace", "requeued"),
    [("SIGUSR2", False, ["104_0"]), ("SIGTERM", True, ["104_0"]), ("SIGTERM", False, [])],
    ids=["at its limit", "pre-empted with a grace", "cancelled"],
)
def test_one_that_slurm_would_not_begin_anew_asks_for_it(ask, drive, monkeypatch, folder, signal, grace, requeued):
    ask()

    def told(*arguments):
        raise Stopped(signal)

    asked, here = [], Allocation("104_0", 0, "", "", "9.0-0")
    monkeypatch.setattr(keeper, "keep", told)
    monkeypatch.setattr(keeper.stopping, "listen", lambda *signals: None)
    monkeypatch.setattr(keeper.stopping, "deafen", lambda: None)
    monkeypatch.setattr(allocation, "here", lambda: here)
    monkeypatch.setattr(allocation, "in_grace", lambda place: grace)
    monkeypatch.setattr(allocation, "requeue", lambda place: asked.append(place.id) or "")
    assert keeper.main(str(drive().surveyor.home.root.parent), folder.name) == 1
    assert asked == requeued
    assert claims.latest(folder / "attempts").end.outcome == "stopped"


def test_a_second_keeper_goes_at_once(ask, drive, capsys, folder):
    ask()
    home = drive().surveyor.home
    claim = claims.acquire(folder / "attempts")
    assert keeper.main(str(home.root.parent), folder.name) == 0
    assert "another keeper is at work" in capsys.readouterr().out
    claim.rest()


def test_a_request_that_is_broken_is_put_aside(ask, drive, slurm, monkeypatch, capsys, folder):
    ask()
    home = drive().surveyor.home
    (path,) = keeper.requests(folder)
    path.write_text(json.dumps({"jobs": ["pretrain/no such job"]}))
    monkeypatch.setattr(keeper, "_pause", lambda seconds: None)
    keeper.keep(home, slurm, folder)
    assert "Run again with --detach" in capsys.readouterr().out
    assert Path(path.with_suffix(".bad")).exists()


def test_one_that_has_said_its_last_word_looks_after_nothing(ask, slurm, folder):
    ask()
    slurm.say("keeper", "running", "RUNNING")
    claim = claims.acquire(folder / "attempts")
    owner = replace(Owner.here(), slurm=keepers(slurm)[0].id_of(0))
    (folder / "attempts" / "0001").write_text(json.dumps(asdict(owner)))
    ask()
    assert len(keepers(slurm)) == 1
    claim.end(End("done", 1.0))
    ask()
    assert len(keepers(slurm)) == 2


def test_that_of_another_cluster_looks_after_nothing_here(ask, slurm):
    ask()
    slurm.foreign = {keepers(slurm)[0].token: "cluster a"}
    ask()
    assert len(keepers(slurm)) == 2


def test_a_request_that_is_made_anew_during_a_pass_is_kept(ask, drive, slurm, monkeypatch, folder):
    ask()
    slurm.work()
    real, seen = keeper.Driver.make, []

    def make(driver):
        done = real(driver)
        if not seen:
            (path,) = keeper.requests(folder)
            path.write_text(path.read_text() + " ")
        seen.append(keeper.requests(folder))
        return done

    monkeypatch.setattr(keeper.Driver, "make", make)
    monkeypatch.setattr(keeper, "_pause", lambda seconds: None)
    keeper.keep(drive().surveyor.home, slurm, folder)
    assert [len(each) for each in seen] == [1, 1]


def test_an_error_that_nobody_thought_of_is_said_and_does_not_end_it(ask, drive, slurm, monkeypatch, capsys, folder):
    ask()
    slurm.work()
    real, left = slurm.look, [ZeroDivisionError("a bug")]

    def look(cluster, submissions):
        if left:
            raise left.pop()
        return real(cluster, submissions)

    monkeypatch.setattr(slurm, "look", look)
    monkeypatch.setattr(keeper, "_pause", lambda seconds: None)
    keeper.keep(drive().surveyor.home, slurm, folder)
    assert "ZeroDivisionError: a bug" in capsys.readouterr().out
    assert keeper.requests(folder) == []


def test_status_says_that_requests_have_no_keeper(ask, slurm, place, cluster, planned):
    ask()
    viewer = showing.Viewer(Store(place.store), "of the tests", cluster, slurm)
    assert "keeper: 104_0 PENDING" in viewer.lines(planned, viewer.survey(planned))
    slurm.say("keeper", "ended", "OUT_OF_MEMORY")
    words = "no keeper, 1 requests wait: harness run … --detach submits one"
    assert words in viewer.lines(planned, viewer.survey(planned))
