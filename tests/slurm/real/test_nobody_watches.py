"""Jobs that were handed over and left alone, looked after by a job of the cluster, or taken back."""

import pytest

KEEPER = {"cpus": 1, "memory": "600M", "hours": 1.0}


@pytest.fixture(scope="module")
def cluster(pocket):
    return pocket()


def test_a_keeper_sees_the_table_through(table, cluster):
    """A job is cancelled while nobody watches, once the keeper itself was requeued."""
    left = table(keeper=KEEPER)
    left.hold("byol")
    code, _, errors = left.harness("run", "1", "--cluster", "pocket.yaml", "--detach")
    assert code == 0, errors
    assert "looks after them" in errors
    job = left.held("byol")["slurm"]
    (keeper,) = [each for each in left.submissions() if each["tasks"][0]["name"] == "keeper"]
    name = ("--noheader", f"--name={keeper['token']}")
    cluster.wait_until(lambda: cluster.run("squeue", *name, "--format=%T") == "RUNNING\n")
    cluster.run("scontrol", "requeue", cluster.run("squeue", *name, "--format=%A").strip())
    cluster.run("scancel", job)
    left.wait_for_starts("byol", 2)
    left.let_go("byol")
    cluster.wait_until(lambda: left.active() == [], seconds=150)
    left.check()
    assert left.starts("byol") == [0, 3]


def test_what_was_taken_back_is_not_started_until_it_is_asked_for(table, cluster):
    back = table(keeper=KEEPER)
    back.hold("byol")
    code, _, errors = back.harness("run", "1", "--cluster", "pocket.yaml", "--detach")
    assert code == 0, errors
    back.held("byol")
    code, output, errors = back.harness("cancel", "--yes")
    assert code == 0, errors
    assert "byol" in output + errors
    cluster.wait_until(lambda: back.active() == [])
    assert back.starts("byol") == [0]
    back.let_go("byol")
    back.finish(back.run())
    assert back.starts("byol") == [0, 3]
