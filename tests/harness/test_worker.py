"""What happens in a job's own process, here in this one."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest
from place import record

from ground.errors import StorageError
from ground.stopping import Stopped
from harness import claims, progress, work, worker


def another_process(monkeypatch):
    """From now on this process counts as another one than it was, and the old one as dead."""
    here = claims.Owner.here()
    monkeypatch.setattr(claims, "_state_and_start", lambda pid: ("R", "later"))
    assert not here.runs()


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


def test_a_folder_without_a_job_is_refused(tmp_path):
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
