"""Pre-emption with a grace, and without mercy."""

import json
import os
import signal
from pathlib import Path

import pytest

GRACE_SECONDS = 20


@pytest.fixture(scope="module")
def cluster(pocket):
    return pocket(accounting=True, grace=GRACE_SECONDS)


@pytest.fixture
def urgent(cluster):
    """``with urgent:`` more urgent work wants every node."""

    class Urgent:
        def __enter__(self):
            words = ("--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 99")
            self.id = cluster.run("sbatch", "--parsable", *words).strip()

        def has_come(self):
            return cluster.run("squeue", "--noheader", "--format=%T", f"--jobs={self.id}") == "RUNNING\n"

        def __exit__(self, *_):
            cluster.run("scancel", self.id)

    return Urgent()


def processes_of(job, node):
    """Everything on this host that runs in an array's task; other clusters may have a job of this number."""
    array, _, index = job.partition("_")
    marks = {f"SLURM_ARRAY_JOB_ID={array}", f"SLURM_ARRAY_TASK_ID={index}", f"SLURMD_NODENAME={node}"}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = set((folder / "environ").read_bytes().decode(errors="replace").split("\0"))
        except OSError:
            continue
        if marks <= variables:
            yield int(folder.name)


def test_who_is_told_at_the_beginning_of_its_grace_saves_and_goes(table, cluster, urgent):
    graced = table(partition="grace")
    graced.hold("byol")
    run = graced.run()
    job = graced.held("byol")["slurm"]
    attempts = graced.directory("pretrain", "byol.") / "attempts"
    with urgent:
        cluster.wait_until((attempts / "0001.end").exists)
        cluster.wait_until(urgent.has_come)
    end = json.loads((attempts / "0001.end").read_text())
    assert (end["outcome"], end["signal"], end["requeued"]) == ("stopped", "SIGTERM", False)
    graced.wait_for_starts("byol", 2)
    assert graced.claim("pretrain", "byol.")["slurm"] == job
    graced.let_go("byol")
    graced.finish(run)
    assert graced.starts("byol") == [0, 3]
    assert graced.bad_nodes() == set()


def test_a_job_that_is_killed_with_its_batch_script_does_not_count_against_its_node(table, cluster, urgent):
    """It hears nothing, so nobody says a last word; Slurm starts it anew."""
    deaf = table(partition="requeue")
    deaf.hold("byol")
    run = deaf.run()
    claim = deaf.held("byol")
    job = claim["slurm"]
    for process in processes_of(job, claim["host"]):
        os.kill(process, signal.SIGSTOP)
    with urgent:
        cluster.wait_until(urgent.has_come)
    attempts = deaf.directory("pretrain", "byol.") / "attempts"
    deaf.wait_for_starts("byol", 2)
    assert not (attempts / "0001.end").exists()
    assert deaf.claim("pretrain", "byol.")["slurm"] == job
    deaf.let_go("byol")
    deaf.finish(run)
    assert deaf.starts("byol") == [0, 3]
    told = [json.loads(line) for line in (deaf.store / ".slurm" / "journal.jsonl").read_text().splitlines() if line]
    (lost,) = [each for each in told if each.get("restart") == 0]
    assert (lost["outcome"], "PREEMPTED" in lost["words"]) == ("preempted", True)
    assert deaf.bad_nodes() == set()
