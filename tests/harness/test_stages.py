"""What a job gets of those it rests on, and that they are what their records say."""

import json
import os
from pathlib import Path

import pytest
from place import record

from harness import parents, worker
from harness.store import Store


def test_a_job_that_slurm_starts_too_early_goes_without_a_record(runs, planned, place, monkeypatch):
    parent, child = planned.jobs[:2]
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    monkeypatch.setattr(parents, "PATIENCE_SECONDS", 0.0)
    assert worker.execute(runs.directory(child)) == "too early"
    assert worker.EXIT_CODES["too early"] != 0
    assert os.listdir(runs.directory(child) / "attempts") == []
    assert not (runs.directory(child) / "record.json").exists()
    assert worker.execute(runs.directory(parent)) == "done"
    assert worker.execute(runs.directory(child)) == "done"


def test_records_that_come_a_little_later_are_waited_for(runs, planned, place, monkeypatch):
    parent, child = planned.jobs[:2]
    monkeypatch.setattr(parents.time, "sleep", lambda _: worker.execute(runs.directory(parent)))
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    assert worker.execute(runs.directory(child)) == "done"
    assert place.names() == ["byol", "byol.r0"]


def test_data_that_changed_since_the_plan_fails_the_job(runs, planned):
    (planned.source.root / "coco" / "train2017" / "2.jpg").write_text("new")
    worker.execute(runs.directory(planned.jobs[0]))
    assert "changed after the job was planned" in record(runs, planned.jobs[0])["error"]["message"]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "backbone.safetensors").write_text("other"), "is not the file that its record names"),
        (lambda folder: (folder / "backbone.safetensors").unlink(), "is gone"),
        (lambda folder: (folder / "record.json").unlink(), "is not a finished pretrain job"),
    ],
)
def test_weights_must_be_those_of_the_record(runs, planned, harm, message):
    parent, child = planned.jobs[:2]
    worker.execute(runs.directory(parent))
    harm(runs.directory(parent))
    assert worker.execute(runs.directory(child)) == "failed"
    assert record(runs, child)["error"]["kind"] == "weights"
    assert message in record(runs, child)["error"]["message"]


def test_settings_that_do_not_give_the_key_are_refused(runs, planned):
    path = runs.directory(planned.jobs[0]) / "job.json"
    settings = json.loads(path.read_text())
    settings["config"]["train"]["epochs"] = 1
    path.write_text(json.dumps(settings))
    worker.execute(path.parent)
    assert record(runs, planned.jobs[0])["error"]["message"].startswith(f"{path}: its settings do not give its key")


@pytest.fixture
def chained(place, staged):
    """The store with the jobs of a chain written down: regions, regional, alike, staged."""
    runs, titles = Store(place.store), ("regions scenes", "regional", "alike regional", "staged")
    jobs = [next(job for job in staged.jobs if job.subject == title) for title in titles]
    for job in staged.jobs:
        runs.prepare(job)
    return runs, jobs


def test_each_stage_gets_what_it_rests_on_and_records_it(chained, monkeypatch):
    from pretrain import prepare

    runs, jobs = chained
    given, do = [], prepare.run
    monkeypatch.setattr(prepare, "run", lambda config, **keywords: (given.append(keywords), do(config, **keywords))[1])
    assert [worker.execute(runs.directory(job)) for job in jobs] == ["done"] * 4
    regions, regional, alike, staged = jobs
    assert [each["inputs"] for each in given] == [
        {}, {"regions": runs.directory(regions), "weights": runs.directory(regional)},
    ]  # fmt: skip
    assert [each["seed"] for each in given] == [regions.seed, alike.seed]
    assert record(runs, alike)["parents"] == {"regions": regions.key, "weights": regional.key}
    assert record(runs, staged)["parents"] == {"regions": regions.key, "alike": alike.key}
    made = record(runs, regions)
    assert (list(made["outputs"]), list(made["metrics"])) == (["regions.txt", "seen.txt"], ["found"])
    assert (made["kind"], made["input"], made["recipe"]) == ("prepare", "regions scenes", None)
    assert runs.directory(regions) == runs.root / "prepare" / regions.name


@pytest.mark.parametrize("file", ["regions.txt", "seen.txt"])
@pytest.mark.parametrize(
    ("harm", "message"),
    [(Path.unlink, "is gone"), (lambda path: path.write_text("other"), "is not the file that its record names")],
)
def test_any_file_of_a_parent_must_be_that_of_the_record(chained, file, harm, message):
    runs, (regions, regional, *_) = chained
    worker.execute(runs.directory(regions))
    harm(runs.directory(regions) / file)
    assert worker.execute(runs.directory(regional)) == "failed"
    error = record(runs, regional)["error"]
    assert error["kind"] == "data"
    assert error["message"].startswith(f"{runs.directory(regions) / file}: {message}")


def test_shared_work_is_not_done_on_other_settings_or_images(chained, planned):
    runs, (regions, *_) = chained
    path = runs.directory(regions) / "job.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "config": {**settings["config"], "number": 9}}))
    worker.execute(path.parent)
    assert "its settings do not give its key" in record(runs, regions)["error"]["message"]
    (path.parent / "record.json").unlink()
    (path.parent / "attempts" / "0001").unlink()
    runs.prepare(regions)
    (planned.source.root / "coco" / "train2017" / "2.jpg").write_text("new")
    worker.execute(path.parent)
    assert "changed after the job was planned" in record(runs, regions)["error"]["message"]
