"""Pre-emption with a grace, and without mercy."""

import json

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
    assert (end["outcome"], end["signal"]) == ("stopped", "SIGTERM")
    graced.wait_for_starts("byol", 2)
    assert json.loads((attempts / "0001.end").read_text())["requeued"] is True
    assert graced.claim("pretrain", "byol.")["slurm"] == job
    graced.let_go("byol")
    graced.finish(run)
    assert graced.starts("byol") == [0, 3]
    assert graced.bad_nodes() == set()


def test_a_job_that_is_killed_with_its_batch_script_does_not_count_against_its_node(table, cluster, urgent):
    """Nobody is left to say a last word when Slurm pre-empts it and starts it anew."""
    killed = table(partition="requeue")
    killed.hold("byol")
    run = killed.run()
    claim = killed.held("byol")
    cluster.wait_until(lambda: len(killed.records()) == 6)  # all that does not wait for it
    cluster.cut_off(claim["host"])
    cluster.kill_jobs(claim["host"])
    with urgent:
        cluster.wait_until(lambda: "COMPLETING" in cluster.run("squeue", "--noheader", "--format=%T"))
        cluster.reconnect(claim["host"])
        cluster.wait_until(urgent.has_come)
    killed.wait_for_starts("byol", 2)
    assert not (killed.directory("pretrain", "byol.") / "attempts" / "0001.end").exists()
    assert killed.claim("pretrain", "byol.")["slurm"] == claim["slurm"]
    killed.let_go("byol")
    killed.finish(run)
    assert killed.starts("byol") == [0, 3]
    told = [json.loads(line) for line in (killed.store / ".slurm" / "journal.jsonl").read_text().splitlines() if line]
    (lost,) = [each for each in told if each.get("restart") == 0]
    assert (lost["outcome"], "PREEMPTED" in lost["words"]) == ("preempted", True)
    assert killed.bad_nodes() == set()
