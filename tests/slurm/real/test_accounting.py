"""With slurmdbd, whether ``sacct`` tells the truth, fails or is away; and jobs whose time limit is too short."""

import json

import pytest
from pocket_table import Table


@pytest.fixture(scope="module")
def cluster(pocket):
    return pocket(accounting=True, min_age=2)


@pytest.fixture(scope="module")
def short(cluster, tmp_path_factory):
    """A table whose jobs may take a minute, at work while other tests are; one job needs longer."""
    short = Table(cluster, tmp_path_factory.mktemp("short") / "table", {"hours": 0.016}, warning_seconds=30)
    short.hold("byol")
    short.process = short.run()
    yield short
    short.end()


def test_slurm_forgets_a_job_and_accounting_remembers_it(short, table, cluster):
    """One that was cancelled before it wrote a word."""
    accounted = table(poll_seconds=4)
    accounted.hold("byol")
    run = accounted.run()
    cluster.run("scancel", "--signal=KILL", accounted.held("byol")["slurm"])
    accounted.wait_for_starts("byol", 2)
    accounted.let_go("byol")
    accounted.finish(run)
    told = cluster.run("sacct", "--noheader", "--allocations", "--parsable2", "--format=State").split()
    assert told.count("COMPLETED") >= 9


SACCT = {
    "fails": "echo broken >&2; exit 1",
    "talks nonsense": "echo 'a|b|c'",
    "calls all well": "/usr/bin/sacct \"$@\" | sed -E 's/FAILED|CANCELLED|NODE_FAIL/COMPLETED/g'",
}


@pytest.mark.parametrize("answer", SACCT.values(), ids=SACCT)
def test_a_broken_sacct_loses_and_doubles_nothing(answer, short, table, cluster):
    broken = table(poll_seconds=4)
    broken.replace("sacct", f"#!/bin/sh\n{answer}\n")
    broken.hold("byol")
    run = broken.run()
    cluster.run("scancel", "--signal=KILL", broken.held("byol")["slurm"])
    broken.wait_for_starts("byol", 2)
    broken.let_go("byol")
    broken.finish(run)
    assert broken.starts("byol") == [0, 3]


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
