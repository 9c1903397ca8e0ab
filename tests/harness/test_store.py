"""The run store: states are what a look at the directory says."""

import errno
import json
import os
import time
from dataclasses import replace

import pytest

from ground.errors import StorageError
from harness import claims, records, store, worker
from harness.store import Store


@pytest.fixture
def job(planned):
    return planned.jobs[0]


@pytest.fixture
def runs(place, job):
    runs = Store(place.store)
    runs.prepare(job)
    return runs


def test_states_follow_the_files(runs, job, place):
    assert runs.look(job).state == "missing"
    assert runs.look(job, driven=True).state == "queued"
    claim = claims.acquire(runs.directory(job) / "attempts")
    assert runs.look(job).state == "running"
    claim.release()
    (runs.directory(job) / "attempts" / "0001").write_text('{"host": "h", "machine": "m", "pid": 1, "started": "1"}')
    os.utime(runs.directory(job) / "attempts" / "0001", (0, 0))
    assert runs.look(job).state == "interrupted"
    worker.execute(runs.directory(job), over=1)
    assert runs.look(job).state == "done"
    assert runs.look(job).seconds > 0


def damage(path, text):
    path.write_text(text)


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (lambda path: damage(path, path.read_text()[:100]), "unreadable"),
        (lambda path: damage(path, ""), "unreadable"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "unreadable"),
        (lambda path: damage(path, "[]"), "not a record"),
        (lambda path: edit(path, schema=99), "not a record"),
        (lambda path: edit(path, key="0" * 64), "another job"),
        (lambda path: edit(path, status="great"), "incomplete"),
        (lambda path: edit(path, metrics=None), "incomplete"),
        (lambda path: edit(path, metrics={"AP": float("nan")}), "incomplete"),
        (lambda path: edit(path, metrics={"AP": "high"}), "incomplete"),
        (lambda path: edit(path, timings={}), "incomplete"),
        (lambda path: edit(path, status="failed"), "incomplete"),
    ],
)
def test_a_broken_record_is_named_and_does_not_count(runs, job, harm, word):
    worker.execute(runs.directory(job))
    path = runs.directory(job) / "record.json"
    harm(path)
    look = runs.look(job)
    assert look.state in {"interrupted", "running"}  # its owner, this process, still lives
    assert str(path) in look.problem
    assert word in look.problem


@pytest.fixture
def tuned(planned, place):
    """A finished fine-tuning's directory and job."""
    for job in planned.jobs[:2]:
        Store(place.store).prepare(job)
        worker.execute(Store(place.store).directory(job))
    return Store(place.store).directory(planned.jobs[1]), planned.jobs[1]


WHOLE = {"AP": 50.0, "AP50": 70.0, "AP75": 55.0}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tool": None}, "tool"),
        ({"tool": 7}, "tool"),
        ({"code": "abc"}, "code"),
        ({"code": {"revision": "abc"}}, "code"),
        ({"code": {"revision": 7, "dirty": False}}, "code"),
        ({"timings": {"seconds": float("nan")}}, "timings"),
        ({"timings": {"seconds": -1}}, "timings"),
        ({"timings": {"seconds": True}}, "timings"),
        ({"timings": {"seconds": 1, "waited": -1}}, "timings"),
        ({"timings": {"seconds": 1, "waited": "long"}}, "timings"),
        ({"curve": 3}, "curve"),
        ({"outputs": {"a": 3}}, "outputs"),
        ({"status": ["done"]}, "status"),
        ({"status": "failed", "error": {"kind": "code", "message": 3}}, "error"),
        ({"error": {"kind": "code", "message": "x"}}, "error"),
        ({"error": 3}, "error"),
        ({"metrics": {}}, "metrics"),
        ({"metrics": {"AP": 50.0, "AP75": 55.0}}, "metrics"),
        *(({"metrics": {**WHOLE, "AP": odd}}, "metrics") for odd in (5000, -3, True, 10**400, float("nan"), "high")),
    ],
)
def test_a_record_that_was_edited_does_not_count_and_its_field_is_named(tuned, changes, field):
    directory, job = tuned
    edit(directory / "record.json", metrics=WHOLE)
    assert records.read(directory, job)[1] == ""
    edit(directory / "record.json", **changes)
    record, problem = records.read(directory, job)
    assert record is None
    assert problem.endswith(f"record.json: incomplete or edited, see `{field}`")


def test_a_record_without_its_tool_or_nested_without_end_does_not_count(tuned):
    directory, job = tuned
    path = directory / "record.json"
    whole = json.loads(path.read_text())
    damage(path, json.dumps({name: value for name, value in whole.items() if name != "tool"}))
    assert "see `tool`" in records.read(directory, job)[1]
    damage(path, "[" * 100_000)
    assert "unreadable" in records.read(directory, job)[1]


def test_what_a_pretraining_measures_may_be_any_finite_number(runs, job):
    worker.execute(runs.directory(job))
    edit(runs.directory(job) / "record.json", metrics={"feature_std": 5000.0, "loss": -3.0}, code=None)
    assert runs.look(job).state == "done"


def test_a_broken_job_is_written_anew(runs, job):
    path = runs.directory(job) / "job.json"
    whole = path.read_text()
    path.write_text(whole[:50])
    with pytest.raises(StorageError, match=r"job\.json: unreadable"):
        store.read_job(runs.directory(job))
    runs.prepare(job)
    assert path.read_text() == whole
    assert store.read_job(runs.directory(job)) == job


def test_a_job_of_another_version_of_the_harness_is_refused(runs, job):
    edit(runs.directory(job) / "job.json", colour="red")
    with pytest.raises(StorageError, match="not a job of this version"):
        store.read_job(runs.directory(job))


def test_setting_aside_keeps_everything(runs, job):
    (runs.directory(job) / "record.json").write_text("precious")
    first = runs.set_aside(job)
    runs.prepare(job)
    second = runs.set_aside(job)
    assert first != second
    assert (first / "record.json").read_text() == "precious"
    assert not runs.directory(job).exists()
    assert runs.names("pretrain") == []


def test_shelving_never_overwrites_and_may_come_second(tmp_path):
    path = tmp_path / "record.json"
    for text in ("one", "two"):
        path.write_text(text)
        store.shelve(path, "bad")
    store.shelve(path, "bad")
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "record.json.bad-1": "one",
        "record.json.bad-2": "two",
    }


def test_a_driver_shows_itself_and_cleans_up(runs, place, job):
    assert not runs.driven()
    with runs.driver([job]) as folder:
        assert runs.driven() == {job.name}
        assert folder.is_dir()
    assert not runs.driven()
    assert list((place.store / ".drivers").iterdir()) == []


def test_what_a_killed_driver_left_is_swept_when_it_is_old(runs, place):
    for name in ("new", "old"):
        home = place.store / ".drivers" / name / "attempts"
        home.mkdir(parents=True)
        (home / "0001").write_text('{"host": "h", "machine": "m", "pid": 1, "started": "1"}')
    os.utime(home / "0001", (0, 0))
    os.utime(home.parent.parent / "new" / "attempts" / "0001", (time.time() - 3600,) * 2)
    with runs.driver([]):
        assert (place.store / ".drivers" / "new").exists()
        assert not (place.store / ".drivers" / "old").exists()


def test_a_store_that_cannot_be_written_is_one_line(place, job, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"job\.json: No space left on device\. Free some space"):
        Store(place.store).prepare(job)
    (place.folder / "file").touch()
    with pytest.raises(StorageError, match="Not a directory"), Store(place.folder / "file").driver([]):
        pass


def test_what_was_written_down_is_read_or_empty(runs, job):
    assert runs.written("pretrain", job.name)["version"] == 1
    runs.prepare(replace(job, name="other", version=2))
    assert runs.written("pretrain", "other")["version"] == 2
    assert runs.written("pretrain", "nowhere") == {}
    edit(runs.directory(job) / "job.json", schema=0)  # an older harness wrote it
    assert runs.written("pretrain", job.name)["version"] == 1
    damage(runs.directory(job) / "job.json", "[]")
    assert runs.written("pretrain", job.name) == {}
