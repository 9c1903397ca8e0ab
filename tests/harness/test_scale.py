"""What a large plan costs: counted, not timed."""

import json
from pathlib import Path

import pytest

from ground.files import write_json
from harness import keys, records, status, worker
from harness.jobs import Scribe
from harness.plan import Request, build
from harness.store import Store, read_job


def counted(monkeypatch, owner, name):
    """Every call of a function from now on."""
    calls, real = [], getattr(owner, name)

    def call(*arguments, **keywords):
        calls.append(arguments)
        return real(*arguments, **keywords)

    monkeypatch.setattr(owner, name, call)
    return calls


def large(seeds):
    return build(Request(tables=("1",), profile="toy.yaml", pretrainings=seeds, store=Path("runs")))


@pytest.mark.parametrize("seeds", [1, 20])
def test_settings_are_worked_out_once_however_many_jobs_have_them(planned, monkeypatch, seeds):
    calls = counted(monkeypatch, keys, "identity")
    plan = large(seeds)
    assert len(plan.jobs) == 9 * seeds
    assert len(calls) == 4  # of three recipes and a task


def test_repeats_share_their_settings_and_what_they_say_of_their_data(planned):
    runs = [job for job in large(20).jobs if job.kind == "transfer"]
    assert len({id(job.config) for job in runs}) == len({id(job.data) for job in runs}) == 1
    assert len({job.key for job in runs}) == len(runs)


def test_the_directory_of_a_run_that_is_not_there_is_not_asked_for(place, planned, monkeypatch):
    store = Store(place.store)
    store.prepare(planned.jobs[0])
    worker.execute(store.directory(planned.jobs[0]))
    calls = counted(monkeypatch, records, "read")
    looks = status.survey(store, planned.jobs)
    assert [looks[job.name].state for job in planned.jobs] == ["done"] + ["missing"] * 8
    assert len(calls) == 1


def test_what_records_have_in_common_is_held_once(place, planned):
    store = Store(place.store)
    for job in planned.jobs[:3]:
        store.prepare(job)
        worker.execute(store.directory(job))
    fresh = Store(place.store)
    first, second = (fresh.look(job).record for job in planned.jobs[1:3])
    assert first["config"] is second["config"] is planned.jobs[1].config
    assert first["versions"] is second["versions"]
    assert first["metrics"] != second["metrics"]


def test_a_record_whose_settings_were_edited_keeps_its_own(place, planned):
    store, job = Store(place.store), planned.jobs[0]
    store.prepare(job)
    worker.execute(store.directory(job))
    path = store.directory(job) / "record.json"
    path.write_text(path.read_text().replace('"epochs":', '"epoch":'))
    assert store.look(job).record["config"] != job.config


def test_a_job_is_written_as_everything_else_of_the_store(place, planned, staged):
    scribe, path = Scribe(), place.folder / "plain.json"
    for job in (*planned.jobs, *staged.jobs):
        write_json(path, json.loads(json.dumps(job.to_json())))
        assert scribe.text(job) == path.read_text()


def test_a_job_that_is_written_down_already_is_left_alone(place, planned):
    store, job = Store(place.store), planned.jobs[0]
    store.prepare(job)
    path = store.directory(job) / "job.json"
    path.write_text(path.read_text() + "\n")  # by another version of ours: the same in other words
    before = path.stat().st_mtime_ns
    store.prepare(job)
    assert path.stat().st_mtime_ns == before
    path.write_text("")  # as a crash of the machine may leave it
    store.prepare(job)
    assert read_job(store.directory(job)) == job
