"""Who looks after jobs while nobody watches."""

import json
from pathlib import Path

import pytest

from ground.stopping import Stopped
from harness import claims
from harness.cluster import keeper
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


def keepers(slurm):
    return [each for each in slurm.calls if each.tasks[0].name == "keeper"]


def test_there_is_one_keeper_of_a_store_for_all_that_is_asked_of_it(ask, slurm, planned):
    assert "the keeper 104 looks after them" in ask()
    assert "the keeper 104 looks after them" in ask(planned.jobs[:3])
    (one,) = keepers(slurm)
    assert (one.request.partition, one.request.minutes, one.request.gpus_per_node) == ("small", 120, 0)


def test_one_that_has_ended_is_followed_by_another(ask, slurm):
    ask()
    slurm.say("keeper", "ended", "TIMEOUT")
    ask()
    assert len(keepers(slurm)) == 2


def test_without_a_keeper_in_the_profile_there_is_none(drive, planned, slurm):
    driver = drive()
    words = keeper.ask(driver, driver.make().survey, planned.profile.seconds, "harness run 1")
    assert "nobody looks after them" in words
    assert keepers(slurm) == []


def test_a_keeper_starts_anew_what_is_lost_and_goes_when_nothing_is_left(ask, drive, slurm, monkeypatch):
    slurm.ends["pretrain/byol.scenes.s0"] = ["PREEMPTED", "PREEMPTED"]
    ask()
    slurm.say("keeper", "running", "RUNNING")
    home = drive().surveyor.home
    monkeypatch.setattr(keeper, "_pause", lambda seconds: slurm.work())
    keeper.keep(home, slurm)
    assert {each.state for each in drive().look().standings.values()} == {"done"}
    assert list(home.keeper.glob("*.json")) == []


def test_a_keeper_that_is_told_to_go_leaves_its_work_to_the_next(ask, drive, slurm, monkeypatch):
    ask()

    def told(seconds):
        raise Stopped("SIGUSR2")

    monkeypatch.setattr(keeper, "_pause", told)
    home = drive().surveyor.home
    with pytest.raises(Stopped):
        keeper.keep(home, slurm)
    assert len(list(home.keeper.glob("*.json"))) == 1


def test_a_second_keeper_goes_at_once(ask, drive, capsys):
    ask()
    home = drive().surveyor.home
    claim = claims.acquire(home.keeper / "attempts")
    assert keeper.main(str(home.root.parent)) == 0
    assert "another keeper is at work" in capsys.readouterr().out
    claim.rest()


def test_a_request_that_is_broken_is_put_aside(ask, drive, slurm, monkeypatch, capsys):
    ask()
    home = drive().surveyor.home
    (path,) = home.keeper.glob("*.json")
    path.write_text(json.dumps({"jobs": ["pretrain/no such job"]}))
    monkeypatch.setattr(keeper, "_pause", lambda seconds: None)
    keeper.keep(home, slurm)
    assert "Run again with --detach" in capsys.readouterr().out
    assert Path(path.with_suffix(".bad")).exists()
