"""Owners on other machines: told alive from dead whatever their clocks say."""

import json
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from test_reconcile import Diary, Inline

from harness import claims, hearts, worker
from harness.claims import Owner, acquire, latest
from harness.cluster import worked
from harness.estimate import Estimates
from harness.hearts import Clock, Watch
from harness.reconcile import Reconciler
from harness.store import Store

HOUR = 3600.0
OFF = pytest.mark.parametrize("off", [-HOUR, 0.0, HOUR], ids=["an hour behind", "right", "an hour ahead"])


@pytest.fixture
def a_minute(monkeypatch):
    """Of silence, after which an owner elsewhere is dead."""
    monkeypatch.setattr(hearts, "DEAD_AFTER_SECONDS", 1.0)
    monkeypatch.setattr(hearts, "PATIENCE_SECONDS", 3.0)
    monkeypatch.setattr("harness.reconcile.TICK_SECONDS", 0.01)
    monkeypatch.setattr("harness.reconcile.ELSEWHERE_SECONDS", 0.0)


class Elsewhere:
    """A process of another machine that has claimed a run and stamps its heartbeats by a clock of its own."""

    def __init__(self, attempts, off):
        self.off, self.ended = off, threading.Event()
        attempts.mkdir(parents=True, exist_ok=True)
        self.path = attempts / "0001"
        self.path.write_text(json.dumps(asdict(replace(Owner.here(), host="elsewhere", machine="another boot"))))
        self.beat()
        self.thread = threading.Thread(target=self.live, daemon=True)

    def beat(self):
        os.utime(self.path, (time.time() + self.off,) * 2)

    def live(self):
        while not self.ended.wait(0.05):
            self.beat()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


@OFF
def test_nobody_takes_a_run_from_an_owner_whose_heart_beats(tmp_path, a_minute, off):
    with Elsewhere(tmp_path / "attempts", off):
        assert acquire(tmp_path / "attempts") is None
        assert acquire(tmp_path / "attempts", patience=60) is None  # at the first beat, not after a minute
    assert latest(tmp_path / "attempts").number == 1


@OFF
def test_a_run_whose_owner_is_gone_is_taken_over_after_a_minute_of_looking_on(tmp_path, a_minute, off):
    Elsewhere(tmp_path / "attempts", off)
    assert acquire(tmp_path / "attempts") is None
    claim = acquire(tmp_path / "attempts", patience=60)
    assert claim.number == 2
    claim.rest()


def test_an_owner_that_somebody_has_seen_the_end_of_is_not_watched(tmp_path):
    Elsewhere(tmp_path / "attempts", 0.0)
    claim = acquire(tmp_path / "attempts", over=1)
    assert claim.number == 2
    claim.rest()


@OFF
def test_a_harness_leaves_a_run_to_a_machine_whose_clock_is_off(place, planned, a_minute, off):
    """It is driven at the same time here, and the other machine ends it a while later."""
    store, job = Store(place.store), planned.jobs[0]
    store.prepare(job)
    directory = store.directory(job)

    class Waits(Diary):
        """The other machine is done once it was seen at work for longer than a dead one would count as alive."""

        seen = None

        def tick(self, running, left):
            if any(each.job.name == job.name and each.elsewhere for each in running):
                self.seen = self.seen or time.monotonic()
                if time.monotonic() - self.seen > 2 * hearts.DEAD_AFTER_SECONDS and not other.ended.is_set():
                    other.ended.set()
                    worker.execute(directory, over=1)

    reconciler = Reconciler(store, planned.jobs, Estimates(planned.profile.seconds))
    reconciler.survey()
    with Elsewhere(directory / "attempts", off) as other:
        result = reconciler.run(Inline(place), Waits())
    assert len(result.done) == len(planned.jobs)
    assert place.names().count("byol") == 1
    assert sorted(path.name for path in (directory / "attempts").iterdir()) == ["0001", "0002", "0002.end"]


@OFF
def test_a_harness_goes_on_with_what_a_dead_machine_has_left_whatever_its_clock_said(place, planned, a_minute, off):
    store, job = Store(place.store), planned.jobs[0]
    store.prepare(job)
    Elsewhere(store.directory(job) / "attempts", off)
    reconciler = Reconciler(store, planned.jobs, Estimates(planned.profile.seconds))
    reconciler.survey()
    assert len(reconciler.run(Inline(place), Diary()).done) == len(planned.jobs)


def test_who_is_started_after_somebody_has_looked_on_begins_at_once(place, planned, a_minute, monkeypatch):
    store, job = Store(place.store), planned.jobs[0]
    store.prepare(job)
    Elsewhere(store.directory(job) / "attempts", 0.0)
    monkeypatch.setattr(hearts, "PATIENCE_SECONDS", 0.0)  # it would give up in doubt
    reconciler = Reconciler(store, planned.jobs, Estimates(planned.profile.seconds))
    reconciler.survey()
    result = reconciler.run(Inline(place), Diary())
    assert len(result.done) == len(planned.jobs)
    assert reconciler._starts[job.name] == 1


@OFF
def test_who_looks_again_and_again_sees_through_a_clock_that_is_off(place, planned, a_minute, off):
    store, job = Store(place.store), planned.jobs[0]
    store.prepare(job)
    with Elsewhere(store.directory(job) / "attempts", off):
        assert place.wait_until(lambda: store.look(job).state == "running")
    assert place.wait_until(lambda: store.look(job).state == "interrupted")


def test_one_look_that_took_long_is_no_death(tmp_path, monkeypatch):
    """The file server hung: for the heart, too."""
    other, now, watch = Elsewhere(tmp_path / "attempts", 0.0), [0.0], Watch()
    monkeypatch.setattr(hearts.time, "monotonic", lambda: now[0])

    def after(seconds):
        now[0] += seconds
        return watch.sees(latest(tmp_path / "attempts"))

    assert [after(seconds) for seconds in (0, 1, 90, 1)] == [None] * 4
    os.utime(other.path, (1e9,) * 2)
    assert after(1) is True
    assert [after(10) for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize(("age", "alive"), [(-90, False), (-30, True), (30, True), (90, False)])
@pytest.mark.parametrize("written", [True, False], ids=["whole", "still empty"])
def test_who_looks_once_guesses_by_the_clock_that_stamps_the_files(tmp_path, monkeypatch, age, alive, written):
    other = Elsewhere(tmp_path / "attempts", -age)
    if not written:
        other.path.write_text("")
        other.beat()
    monkeypatch.setattr(hearts.time, "time", lambda: 1e9)  # of this machine, which is not asked
    assert Watch().lives(latest(tmp_path / "attempts"), Clock(tmp_path)) is alive


def test_where_nothing_can_be_written_it_is_this_machine_s_clock():
    assert abs(Clock(Path("/proc/nowhere")).now() - time.time()) < 5


def test_an_attempt_s_length_is_taken_from_one_clock(tmp_path, monkeypatch):
    """The machine's clock is an hour off that of the file server."""
    monkeypatch.setattr(claims.time, "time", lambda: 1e9)
    acquire(tmp_path).rest()
    beat = latest(tmp_path).heartbeat + HOUR
    os.utime(tmp_path / "0001", (beat, beat))
    assert worked.hours(tmp_path, 0.0, since=0.0, before=0.0) == pytest.approx(1.0, abs=0.01)
