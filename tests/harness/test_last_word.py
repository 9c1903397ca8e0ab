"""What an attempt leaves behind when it ends, whoever ended it."""

import pytest
from place import record

from ground import stopping
from harness import endings, policy, worker


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
    assert runs.look(failed).attempt is None or not runs.lives(runs.look(failed).attempt)


@pytest.mark.parametrize(("reason", "asks"), [("SIGUSR2", "requeue 7_0\n"), ("SIGTERM", "show job 7_0\n")])
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
    assert (end.outcome, end.signal, end.requeued, end.slurm) == ("stopped", reason, reason == "SIGUSR2", "7_0")
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
