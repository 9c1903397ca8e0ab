"""Who may submit."""

import json
import os
import time

import pytest

from harness import claims, hearts
from harness.cluster import lease
from slurm.commands import Unavailable


@pytest.fixture
def a_minute(monkeypatch):
    """Of silence, after which an owner elsewhere is dead."""
    monkeypatch.setattr(hearts, "DEAD_AFTER_SECONDS", 0.3)
    monkeypatch.setattr(lease, "RETRY_SECONDS", 0.01)


def elsewhere(path, age=0.0):
    """Let a claim be that of another machine, by a file server whose clock is behind."""
    path.write_text(json.dumps({**json.loads(path.read_text()), "machine": "elsewhere"}))
    os.utime(path, (time.time() - age, time.time() - age))


def test_there_is_one_holder_at_a_time_and_the_next_one_after_it(tmp_path):
    with lease.held(tmp_path / "lease", 0) as first:
        assert first.holds()
        with lease.held(tmp_path / "lease", 0) as second:
            assert second is None
    with lease.held(tmp_path / "lease", 0) as third:
        assert third.number == 2


def test_clocks_that_differ_do_not_break_a_lease(tmp_path):
    with lease.held(tmp_path / "lease", 0) as first:
        for age in (3600, -3600):
            elsewhere(tmp_path / "lease" / "0001", age)
            with lease.held(tmp_path / "lease", 0.01) as second:
                assert second is None
        assert first.holds()


def test_a_heart_that_beats_keeps_the_lease_and_one_that_does_not_loses_it(tmp_path, a_minute, monkeypatch):
    with lease.held(tmp_path / "lease", 0):
        path, ages = tmp_path / "lease" / "0001", iter(range(3600, 0, -1))
        elsewhere(path)
        with monkeypatch.context() as beating:
            beating.setattr(lease, "RETRY_SECONDS", 0.1)
            real = claims.latest

            def beat(directory):
                os.utime(path, (next(ages),) * 2)
                return real(directory)

            beating.setattr(claims, "latest", beat)
            with lease.held(tmp_path / "lease", 1) as second:
                assert second is None
        with lease.held(tmp_path / "lease", 60) as third:
            assert third.number == 2


def test_whoever_was_overtaken_never_holds_again(tmp_path, a_minute):
    """Its machine slept: it was taken for dead, and the next holder has come and gone."""
    with lease.held(tmp_path / "lease", 0) as sleeper:
        elsewhere(tmp_path / "lease" / "0001")
        with lease.held(tmp_path / "lease", 60) as next_one:
            assert next_one.number == 2
            assert not sleeper.holds()
            with pytest.raises(Unavailable, match="took this one for dead"):
                lease.keep(sleeper)
        with lease.held(tmp_path / "lease", 0) as last:
            assert last.number == 3
        assert not sleeper.holds()
    with lease.held(tmp_path / "lease", 0) as after:
        assert after.number == 4
    assert sorted(path.name for path in (tmp_path / "lease").iterdir()) == ["0004", "0004.end"]


def overtaken_when(monkeypatch, place):
    """Somebody else takes the lease when ``place`` is reached: its holder slept there."""

    def sleep(*arguments, **named):
        folder = arguments[0].surveyor.home.lease if hasattr(arguments[0], "surveyor") else None
        if folder is None:
            folder = arguments[0].store.root.absolute() / ".slurm" / "lease"
        if folder.exists():
            (folder / "0099").touch()
        return real(*arguments, **named)

    owner, name = place
    real = getattr(owner, name)
    monkeypatch.setattr(owner, name, sleep)


@pytest.mark.parametrize("name", ["_wanted", "look"])
def test_who_was_overtaken_while_looking_writes_and_submits_nothing(name, drive, slurm, monkeypatch):
    driver = drive()
    overtaken_when(monkeypatch, (type(driver), name))
    done = driver.make()
    assert slurm.calls == []
    assert not (driver.surveyor.home.root / "journal.jsonl").exists()
    assert not done.settled


def test_who_was_overtaken_right_before_sbatch_does_not_call_it(drive, slurm, monkeypatch):
    from harness.cluster.submitting import Submitter

    overtaken_when(monkeypatch, (Submitter, "_make_ready"))
    done = drive().make()
    assert slurm.calls == []
    assert "may not submit any more" in done.note
