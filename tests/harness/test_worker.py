"""What happens in a job's own process, here in this one."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest
import torch

from ground import stopping
from ground.errors import StorageError
from ground.stopping import Stopped
from harness import claims, endings, parents, policy, progress, work, worker
from harness.store import Store


@pytest.fixture
def runs(place, planned):
    runs = Store(place.store)
    for job in planned.jobs:
        runs.prepare(job)
    return runs


def record(runs, job):
    return json.loads((runs.directory(job) / "record.json").read_text())


def another_process(monkeypatch):
    """From now on this process counts as another one than it was, and the old one as dead."""
    here = claims.Owner.here()
    monkeypatch.setattr(claims, "_state_and_start", lambda pid: ("R", "later"))
    assert not here.alive(0)


def test_a_job_leaves_a_record_of_everything(runs, planned, place):
    parent, child = planned.jobs[:2]
    assert worker.execute(runs.directory(parent)) == "done"
    assert worker.execute(runs.directory(child)) == "done"
    made, found = record(runs, parent), record(runs, child)
    assert set(found) == set(made) == {
        "schema", "kind", "key", "name", "status", "recipe", "task", "input", "run", "seed", "profile", "overrides",
        "tool", "device_class", "data", "config", "version", "threads", "parents", "metrics", "curve", "outputs",
        "timings", "host", "device", "processes", "versions", "code", "error", "digest",
    }  # fmt: skip
    assert list(made["outputs"]) == ["backbone.safetensors"]
    assert found["parents"] == {"weights": parent.key}
    assert found["tool"] == "torchvision 0"
    assert set(found["metrics"]) == {"AP", "AP50", "AP75"}
    assert found["timings"]["attempts"] == 1
    assert found["device"] == "cpu, 1 thread"
    assert found["versions"]["python"].startswith(f"3.{sys.version_info.minor}")
    assert runs.progress(child)["step"] == 4


def test_a_finished_job_is_not_done_again(runs, planned, place, monkeypatch):
    directory = runs.directory(planned.jobs[0])
    worker.execute(directory)
    another_process(monkeypatch)
    before = (directory / "record.json").read_bytes()
    assert worker.execute(directory) == "done"
    assert (directory / "record.json").read_bytes() == before
    assert sorted(os.listdir(directory / "attempts")) == ["0001", "0001.end"]
    assert place.names() == ["byol"]


def test_a_job_that_somebody_has_is_left_to_him(runs, planned, place):
    directory = runs.directory(planned.jobs[0])
    claim = claims.acquire(directory / "attempts")
    assert worker.execute(directory) == "not mine"
    assert place.names() == []
    claim.rest()


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


@pytest.mark.parametrize(
    ("kind", "message"), [("data", "scenes/1.jpg: is truncated. Replace it."), ("code", "RuntimeError: a bug in byol")]
)
def test_a_failure_is_written_down(runs, planned, place, kind, message, capsys):
    place.fail("byol", kind)
    assert worker.execute(runs.directory(planned.jobs[0])) == "failed"
    assert record(runs, planned.jobs[0])["error"] == {"kind": kind, "message": message}
    look = runs.look(planned.jobs[0])
    assert (look.state, look.reason) == ("failed", f"{kind}: {message}")
    assert ("Traceback" in capsys.readouterr().err) is (kind == "code")


def test_a_full_disk_under_a_room_is_a_storage_failure(runs, planned, monkeypatch):
    from pretrain import run

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run, "run", full)
    worker.execute(runs.directory(planned.jobs[0]))
    assert record(runs, planned.jobs[0])["error"]["kind"] == "storage"


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


def test_a_broken_record_is_set_aside_and_the_job_done(runs, planned):
    directory = runs.directory(planned.jobs[0])
    (directory / "record.json").write_text("{")
    assert worker.execute(directory) == "done"
    assert (directory / "record.json.bad-1").read_text() == "{"
    assert list(record(runs, planned.jobs[0])["outputs"]) == ["backbone.safetensors"]


def test_a_job_that_is_overtaken_writes_nothing_more(runs, planned, monkeypatch):
    directory = runs.directory(planned.jobs[0])
    from pretrain import run

    def overtaken(config, **keywords):
        (directory / "attempts" / "0002").touch()
        return {"loss": 1.0}

    monkeypatch.setattr(run, "run", overtaken)
    with pytest.raises(Stopped):
        worker.execute(directory)
    assert not (directory / "record.json").exists()


def test_record_and_log_tell_the_seeds_of_repeats_and_their_curves_apart(runs, planned):
    repeats = planned.jobs[1:3]
    for job in planned.jobs[:3]:
        runs.prepare(job)
        assert worker.execute(runs.directory(job)) == "done"
    records = [record(runs, job) for job in repeats]
    assert len({each["seed"] for each in records}) == len({each["curve"] for each in records}) == 2
    assert all(len(each["curve"]) == 64 for each in records)
    assert "curve.csv" not in records[0]["outputs"]


def test_the_log_tells_the_seed(runs, planned, capsys):
    worker.execute(runs.directory(planned.jobs[0]))
    assert f"attempt 1: pretrain byol (seed {planned.jobs[0].seed}, pid" in capsys.readouterr().out


def test_a_report_stops_a_job_that_is_overtaken(tmp_path):
    claim = claims.acquire(tmp_path / "attempts")
    report = progress.Progress(tmp_path, claim)
    report(1, 10, loss=2.5)
    assert json.loads((tmp_path / "progress.json").read_text())["numbers"] == {"loss": 2.5}
    report(2, 10, loss=2.0)  # less than half a second later: not written
    assert json.loads((tmp_path / "progress.json").read_text())["step"] == 1
    (tmp_path / "attempts" / "0002").touch()
    report._written = 0.0
    with pytest.raises(Stopped):
        report(3, 10)
    claim.rest()


def test_seconds_add_up_over_attempts(tmp_path):
    (tmp_path / "progress.json").write_text('{"seconds": 100}')
    claim = claims.acquire(tmp_path / "attempts")
    assert 100 < progress.Progress(tmp_path, claim).seconds() < 200
    claim.rest()


def test_waiting_adds_up_over_attempts_and_is_no_news(tmp_path):
    claim = claims.acquire(tmp_path / "attempts")
    (tmp_path / "progress.json").write_text('{"seconds": 100}')  # of before it was measured
    first = progress.Progress(tmp_path, claim)
    first(1, 10, loss=2.5)
    assert first.waited() is None
    first(2, 10, loss=2.4, waits_for_images=0.5, waited_seconds=3.0)
    first.show()
    told = json.loads((tmp_path / "progress.json").read_text())
    assert (told["waited"], told["numbers"]) == (3.0, {"loss": 2.4, "waits_for_images": 0.5})
    second = progress.Progress(tmp_path, claim)
    assert second.waited() == 3.0
    second(3, 10, waited_seconds=1.5)
    second(4, 10)  # one that says nothing of it does not take it back
    assert second.waited() == 4.5
    claim.rest()


def test_a_record_holds_the_waiting_where_the_room_measures_it(runs, planned, monkeypatch, capsys):
    parent, child = planned.jobs[:2]
    plain = work.do

    def waiting(job, directory, report):
        metrics = plain(job, directory, report)
        if job.kind == "pretrain":
            report(4, 4, waits_for_images=0.25, waited_seconds=1.25)
        return metrics

    monkeypatch.setattr(work, "do", waiting)
    assert [worker.execute(runs.directory(job)) for job in (parent, child)] == ["done", "done"]
    assert record(runs, parent)["timings"]["waited"] == 1.25
    assert "waited" not in record(runs, child)["timings"]
    assert "s, 1.2 of them waiting for images, {" in capsys.readouterr().out
    assert [runs.look(job).state for job in (parent, child)] == ["done", "done"]


def test_no_job_no_work(tmp_path):
    with pytest.raises(StorageError, match=r"job\.json"):
        worker.execute(tmp_path)


def test_the_metrics_do_not_depend_on_what_the_process_did_before(runs, planned, place):
    import random

    numbers = []
    for word in ("one", "two"):
        random.seed(word)
        worker.execute(runs.directory(planned.jobs[0]))
        numbers.append(record(runs, planned.jobs[0])["metrics"])
        runs.set_aside(planned.jobs[0])
        runs.prepare(planned.jobs[0])
    assert numbers[0] == numbers[1]


def test_a_job_is_told_its_threads_before_its_interpreter_starts():
    assert worker.environment(3)["OMP_NUM_THREADS"] == "3"
    assert worker.environment(3)["PYTHONHASHSEED"] == "0"


def test_the_log_holds_all_output(place, runs, planned):
    import subprocess

    directory = runs.directory(planned.jobs[0])
    place.fail("byol", "code")
    code = f"import sys; from harness import worker; sys.exit(worker.main({str(directory)!r}))"
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert ended.returncode == worker.EXIT_CODES["failed"], ended.stderr
    log = Path(directory / "log.txt").read_text()
    assert "attempt 1: pretrain byol" in log
    assert "Traceback" in log
    assert "failed: code: RuntimeError: a bug in byol" in log


def test_a_job_for_the_cpu_sees_no_gpu(runs, planned, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    worker.execute(runs.directory(planned.jobs[0]))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert record(runs, planned.jobs[0])["device_class"] == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize(("slurm", "kind"), [("", "config"), ("7", "node")])
def test_a_job_for_a_gpu_is_refused_without_one(place, monkeypatch, slurm, kind):
    monkeypatch.setenv("SLURM_JOB_ID", slurm)
    from harness.plan import Request, build

    request = Request(tables=("1",), profile="toy.yaml", overrides=("pretrain.train.device=cuda",))
    build(request).source.generate(lambda step, total, **numbers: None)
    job, runs = build(request).jobs[0], Store(place.store)
    runs.prepare(job)
    worker.execute(runs.directory(job))
    error = record(runs, job)["error"]
    assert error["kind"] == kind
    assert "planned for a GPU and torch finds none" in error["message"]


def test_what_torchrun_leaves_behind_does_not_reach_a_job(place, runs, planned, monkeypatch, tmp_path):
    from slurm.executor import Executor

    (tmp_path / "show_environment.py").write_text(
        "import os, pathlib\ndef show(path):\n    pathlib.Path(path).write_text(' '.join(os.environ))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "nowhere")
    executor = Executor(tmp_path / "submitit", workers=1)
    executor.submit("show_environment:show", str(tmp_path / "names"), environment=worker.environment(1))
    place.wait_until(lambda: executor.free() == 1)
    names = (tmp_path / "names").read_text().split()
    assert "OMP_NUM_THREADS" in names
    assert not {"WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} & set(names)
    assert os.environ["WORLD_SIZE"] == "2"


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


def end_of(runs, job, number=1):
    return endings.read(runs.directory(job) / "attempts", number)


def test_every_attempt_leaves_a_last_word(runs, planned, place):
    done, failed = planned.jobs[0], planned.jobs[3]
    place.fail("pixcon-sr", "data")
    worker.execute(runs.directory(done))
    worker.execute(runs.directory(failed))
    assert (end_of(runs, done).outcome, end_of(runs, done).kind) == ("done", "")
    word = end_of(runs, failed)
    assert (word.outcome, word.kind, word.message) == ("failed", "data", "scenes/1.jpg: is truncated. Replace it.")
    assert runs.look(failed).attempt is None or not runs.look(failed).attempt.alive()


@pytest.mark.parametrize(("reason", "asks"), [("SIGUSR2", "requeue 7_0\n"), ("SIGTERM", "")])
def test_a_job_whose_time_is_up_has_itself_requeued_and_one_told_to_go_does_not(
    runs, planned, monkeypatch, tmp_path, stopped_at, reason, asks
):
    from pretrain import run

    (tmp_path / "scontrol").write_text(
        f'#!/bin/sh\nls {runs.directory(planned.jobs[0])}/attempts > {tmp_path}/then\necho "$@" > {tmp_path}/asked\n'
    )
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for name, value in {"JOB_ID": "9", "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)

    def work(report):
        monkeypatch.setattr(run, "run", lambda config, **keywords: (report(1, 2), stopping.check()))
        worker.execute(runs.directory(planned.jobs[0]))

    stopped_at(1, work, reason)
    end = end_of(runs, planned.jobs[0])
    assert (end.outcome, end.signal, end.requeued, end.slurm) == ("stopped", reason, bool(asks), "7_0")
    assert (tmp_path / "asked").exists() is bool(asks)
    if asks:
        assert (tmp_path / "asked").read_text() == asks
        assert "0001.end" in (tmp_path / "then").read_text()  # Slurm kills: the last word comes first
    assert runs.look(planned.jobs[0]).state == "interrupted"
    assert not (runs.directory(planned.jobs[0]) / "record.json").exists()


def test_whoever_is_stopped_says_how_far_it_got(runs, planned, monkeypatch, stopped_at):
    from pretrain import run

    def work(report):
        def train(config, **more):
            more["report"](1, 9)
            more["report"](2, 9)
            report(1, 2)
            stopping.check()

        monkeypatch.setattr(run, "run", train)
        worker.execute(runs.directory(planned.jobs[0]))

    stopped_at(1, work)
    assert runs.progress(planned.jobs[0])["step"] == 2  # else reports are written down twice a second


def test_an_error_after_a_request_to_stop_is_no_failure(runs, planned, monkeypatch, stopped_at):
    from pretrain import run

    def work(report):
        def torn(config, **keywords):
            report(1, 2)
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Terminated.")

        monkeypatch.setattr(run, "run", torn)
        worker.execute(runs.directory(planned.jobs[0]))

    stopped_at(1, work)
    assert end_of(runs, planned.jobs[0]).signal == "SIGTERM"
    assert not (runs.directory(planned.jobs[0]) / "record.json").exists()


def test_a_job_without_memory_says_so_and_is_tried_again(runs, planned, monkeypatch):
    from pretrain import run

    monkeypatch.setattr(run, "run", lambda config, **keywords: bytearray(2**62))
    assert worker.execute(runs.directory(planned.jobs[0])) == "failed"
    assert record(runs, planned.jobs[0])["error"]["kind"] == end_of(runs, planned.jobs[0]).kind == "memory"
    policy.apply(runs, planned.jobs[:1], "missing")
    assert runs.look(planned.jobs[0]).state == "interrupted"


def test_a_job_that_is_not_slurms_own_does_not_know_of_slurm():
    assert worker.apart(1)["SLURM_JOB_ID"] is None
    assert "SLURM_JOB_ID" not in worker.environment(1)
