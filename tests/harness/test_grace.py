"""A job that Slurm pre-empts with a grace has itself begun anew: Slurm would not. The words are Slurm 22.05's."""

import pytest

from ground import stopping
from harness import allocation, endings, worker
from harness.store import Store

GRACE = """\
JobId=1 ArrayJobId=1 ArrayTaskId=0 JobName=hb-0123456789ab
   JobState=RUNNING Reason=None Dependency=(null)
   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0
   PreemptEligibleTime=2026-11-26T17:30:26 PreemptTime=2026-11-26T17:30:30
"""
CANCELLED = """\
   JobState=COMPLETING Reason=None Dependency=(null)
   PreemptEligibleTime=2026-11-26T17:31:16 PreemptTime=None
"""
SIGNALLED = """\
   JobState=RUNNING Reason=None Dependency=(null)
   PreemptEligibleTime=2026-11-26T17:31:11 PreemptTime=None
"""
NO_GRACE = """\
   JobState=COMPLETING Reason=None Dependency=(null)
   Requeue=1 Restarts=1 BatchFlag=1 Reboot=0 ExitCode=0:0
"""
PLACE = allocation.Allocation("7_0", 0, "", "", "9.0-0")


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """``scontrol(words, code)``: what Slurm says of a job, and whether it takes a requeue; gives what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def stand(words, code=0):
        (folder / "words").write_text(words)
        requeue = f"[ $1 = requeue ] && {{ echo 'not allowed' >&2; exit {code}; }}"
        (folder / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n{requeue}\ncat {folder}/words\n')
        (folder / "scontrol").chmod(0o755)
        return folder / "asked"

    return stand


@pytest.mark.parametrize(
    ("words", "grace"), [(GRACE, True), (CANCELLED, False), (SIGNALLED, False), (NO_GRACE, False), ("", False)]
)
def test_a_grace_is_told_from_all_else_that_sends_sigterm(scontrol, words, grace):
    scontrol(words)
    assert allocation.in_grace(PLACE) is grace


def test_without_slurms_word_there_is_none(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert allocation.in_grace(PLACE) is False


@pytest.mark.parametrize(
    ("words", "code", "requeued", "asked"),
    [
        (GRACE, 0, True, "show job 7_0\nrequeue 7_0\n"),
        (GRACE, 1, False, "show job 7_0\nrequeue 7_0\n"),
        (CANCELLED, 0, False, "show job 7_0\n"),
    ],
    ids=["granted", "refused", "cancelled"],
)
def test_its_last_word_says_whether_it_is_begun_anew(
    place, planned, monkeypatch, scontrol, stopped_at, words, code, requeued, asked
):
    from pretrain import run

    told, runs, job = scontrol(words, code), Store(place.store), planned.jobs[0]
    runs.prepare(job)
    for name, value in {"JOB_ID": "9", "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)

    def work(report):
        monkeypatch.setattr(run, "run", lambda config, **keywords: (report(1, 2), stopping.check()))
        worker.execute(runs.directory(job))

    stopped_at(1, work, "SIGTERM")
    end = endings.read(runs.directory(job) / "attempts", 1)
    assert (end.outcome, end.signal, end.requeued) == ("stopped", "SIGTERM", requeued)
    assert told.read_text() == asked
