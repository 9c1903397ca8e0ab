"""Nodes on which a start came to nothing: how they are known, and that they are left out."""

import json
import os
from dataclasses import replace

import pytest
from driving import BYOL, passes, state

from ground.errors import ConfigError
from harness import claims
from harness.store import Store


def test_a_task_that_slurm_holds_back_after_a_bad_node_is_submitted_anew(drive, slurm, one):
    driver = drive(jobs=one)
    driver.make()
    slurm.say("pretrain/byol", "pending", "PENDING", "launch failed requeued held", restarts=1)
    assert (driver.make().called_off, len(slurm.calls)) == (1, 2)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"state": "FAILED", "reason": "JobLaunchFailure", "exit_code": "0:53"}, ""),
        ({"state": "FAILED", "reason": "NonZeroExitCode", "exit_code": "127:0"}, "127 1 n3"),
        ({}, "1 4 n3"),  # Slurm has forgotten it
    ],
)
def test_a_node_that_cannot_start_a_job_is_named_and_left_out(drive, slurm, one, place, said, left):
    driver = drive(jobs=one)
    driver.make()
    token = slurm.calls[0].token
    if left:
        folder = place.store / ".slurm" / token
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ended-0-0").write_text(f"{left}\n")
    slurm.entries[token, 0] = replace(slurm.entries[token, 0], phase="ended", nodes="n3" if said else "", **said)
    slurm.forgets = not said
    driver.make()
    assert slurm.calls[1].request.exclude == ("n3",)
    (ending,) = driver.look().history.endings[f"pretrain/{one[0].name}"]
    assert (ending.outcome, ending.nodes) == ("node", "n3")


def started_anew(place, job, slurm, restart, node):
    """A start of a job that was killed without a word; returns its claim at rest."""
    attempts = Store(place.store).directory(job) / "attempts"
    claim = claims.acquire(attempts)
    path = attempts / f"{claim.number:04d}"
    owner = {**json.loads(path.read_text()), "slurm": slurm.calls[0].id_of(0), "nodes": node, "restart": restart}
    path.write_text(json.dumps({**owner, "machine": "elsewhere"}))
    claim.rest()
    os.utime(path, (0, 0))


def test_a_node_that_took_a_start_along_counts_though_slurm_itself_starts_the_job_anew(drive, slurm, one, place):
    driver = drive(jobs=one)
    driver.make()
    started_anew(place, one[0], slurm, 0, "n3")
    slurm.say("pretrain/byol", "pending", "PENDING", "BeginTime", restarts=1)
    for _ in range(2):
        driver.make()
        (ending,) = driver.look().history.endings[f"pretrain/{one[0].name}"]
        assert (ending.outcome, ending.nodes, ending.restart) == ("node", "n3", 0)
        assert state(driver) == ("preempted", "wait")  # the task itself goes on
    slurm.say("pretrain/byol", "ended", "PREEMPTED", restarts=1)
    driver.make()
    assert slurm.calls[1].request.exclude == ("n3",)


def test_a_start_whose_batch_script_lived_to_tell_is_not_its_nodes_fault(drive, slurm, one, place):
    driver = drive(jobs=one)
    driver.make()
    started_anew(place, one[0], slurm, 0, "n3")
    folder = place.store / ".slurm" / slurm.calls[0].token
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ended-0-0").write_text("137 4000 n3\n")
    slurm.say("pretrain/byol", "pending", "PENDING", "BeginTime", restarts=1)
    assert driver.make().survey.history.endings == {}


def test_a_bad_node_is_left_out_unless_nothing_else_is_there(drive, slurm, one):
    slurm.ends[BYOL] = ["NODE_FAIL"]
    driver = drive(jobs=one)
    passes(driver, slurm, 1)
    submit, asked = slurm.submit, []

    def few(home, cluster, request, *rest, **more):
        asked.append(request.exclude)
        if request.exclude:
            raise ConfigError("sbatch", "Requested node configuration is not available", "Mend it.")
        return submit(home, cluster, request, *rest, **more)

    slurm.submit = few
    slurm.ends[BYOL] = ["NODE_FAIL"]
    passes(driver, slurm, 1)
    assert asked == [("n1",), ()]
