"""With slurmdbd, whether ``sacct`` tells the truth, fails or is away; and jobs whose time limit is too short."""

import json

import pytest
from pocket_table import Table


@pytest.fixture(scope="module")
def cluster(pocket):
    return pocket(accounting=True, cpus=4, min_age=2)  # for five jobs that are held at once


@pytest.fixture(scope="module")
def short(cluster, tmp_path_factory):
    """A table whose jobs may take a minute, at work while other tests are; one job needs longer."""
    short = Table(cluster, tmp_path_factory.mktemp("short") / "table", {"hours": 0.016}, warning_seconds=30)
    short.hold("byol")
    short.process = short.run()
    yield short
    short.end()


SACCT = {
    "is right": '/usr/bin/sacct "$@"',
    "fails": "echo broken >&2; exit 1",
    "talks nonsense": "echo 'a|b|c'",
    "calls all well": "/usr/bin/sacct \"$@\" | sed -E 's/FAILED|CANCELLED|NODE_FAIL/COMPLETED/g'",
}


def test_jobs_that_slurm_has_forgotten_are_done_whatever_sacct_says_of_them(short, table, cluster):
    """They are cancelled while no harness runs; of Slurm the next one has nobody but sacct to ask."""
    tables = {answer: table() for answer in SACCT.values()}
    cancelled = []
    for each in tables.values():
        each.hold("byol")
        each.run()
    for each in tables.values():
        cancelled.append(each.held("byol")["slurm"])
        each.processes[0].kill()
        cluster.run("scancel", cancelled[-1])
    known = ("squeue", "--noheader", "--array", "--states=all", "--format=%i")
    cluster.wait_until(lambda: not set(cancelled) & set(cluster.run(*known).split()), seconds=180)
    runs = {}
    for answer, each in tables.items():
        each.replace("sacct", f"#!/bin/sh\ntouch {each.control}/asked\n{answer}\n")
        runs[answer] = each.run()
    for answer, each in tables.items():
        each.wait_for_starts("byol", 2)
        each.let_go("byol")
        each.finish(runs[answer])
        assert each.starts("byol") == [0, 3]
        assert (each.control / "asked").exists()


def test_a_job_whose_time_is_up_goes_on_from_its_checkpoint(short):
    short.wait_for_starts("byol", 2)
    ends = short.directory("pretrain", "byol.") / "attempts" / "0001.end"
    end = json.loads(ends.read_text())
    assert (end["outcome"], end["signal"], end["requeued"]) == ("stopped", "SIGUSR2", True)
    assert short.claim("pretrain", "byol.")["slurm"] == end["slurm"]
    short.let_go("byol")
    short.finish(short.process)
    assert short.starts("byol") == [0, 3]


def test_accounting_that_goes_away_is_not_missed(table, cluster):
    orphan = table(poll_seconds=4)
    orphan.hold("byol")
    run = orphan.run()
    orphan.held("byol")
    cluster.stop_accounting()
    orphan.let_go("byol")
    orphan.finish(run)
    assert len(orphan.executions()) == 9
