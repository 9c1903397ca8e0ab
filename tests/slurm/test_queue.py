"""What Slurm knows of our tasks."""

import os
import time
from dataclasses import replace

import pytest

from ground.errors import ConfigError
from slurm import origin, queue, submit, sweep, tokens
from slurm.cluster import Cluster
from slurm.commands import Unavailable
from slurm.requests import Queue, Request, Submission, Task

CLUSTER = Cluster(description="ours")
REQUEST = Request(nodes=1, tasks_per_node=1, gpus_per_node=0, cpus_per_task=1, minutes=60)


def submission(token="hb-0123456789ab", tasks=2, job_id="7"):
    return Submission(token, REQUEST, tuple(Task(f"t/{i}", ()) for i in range(tasks)), (), time.time(), job_id)


def theirs(tmp_path, **whose):
    """A submission of somebody else, of which our queue shows nothing, written down and read again."""
    made = replace(submission(job_id=None), created=0.0, **whose)
    tokens.write(tmp_path, made, tokens.Call("work:do", {}))
    return made


def says(fake, *lines, command="squeue"):
    fake.steer(f"{command}.instead", "cat <<'END'\n" + "\n".join(lines) + "\nEND\nexit 0")


def test_pending_running_and_ended_tasks_are_told_apart(fake):
    says(
        fake,
        "7_0|hb-0123456789ab|RUNNING|0|2|n1|None|",
        "7_1|hb-0123456789ab|PENDING|0|0||Nodes required for job are DOWN, DRAINED or reserved|",
        "7_2|hb-0123456789ab|OUT_OF_MEMORY|137|0|n[1-2]|OutOfMemory|",
        "7_3|hb-0123456789ab|FAILED|768|0|n1|NonZeroExitCode|",
    )
    found = queue.look(CLUSTER, [submission(tasks=4)])
    assert [(entry.index, entry.phase, entry.exit_code, entry.restarts) for entry in found.entries] == [
        (0, "running", "0:0", 2), (1, "pending", "0:0", 0), (2, "ended", "0:9", 0), (3, "ended", "3:0", 0)
    ]  # fmt: skip
    assert found.entries[1].reason == "Nodes required for job are DOWN, DRAINED or reserved"
    assert (found.entries[0].reason, found.entries[2].nodes) == ("", "n[1-2]")


def test_jobs_of_others_and_a_second_job_of_the_same_token_are_left_out(fake):
    says(
        fake,
        "3|vim|RUNNING|0|0|n1|None|",
        "4_0|hb-ffffffffffff|RUNNING|0|0|n1|None|",
        "8_0|hb-0123456789ab|RUNNING|0|0|n1|None|",
        "7_0|hb-0123456789ab|RUNNING|0|0|n1|None|",
        "7_[1-5]|hb-0123456789ab|PENDING|0|0||None|",
        "nonsense",
    )
    assert [entry.job_id for entry in queue.look(CLUSTER, [submission()]).entries] == ["7_0"]


def test_a_state_that_nobody_knows_is_not_an_end(fake):
    says(fake, "7_0|hb-0123456789ab|QUANTUM|0|0|n1|None|")
    assert [entry.phase for entry in queue.look(CLUSTER, [submission()]).entries] == ["running"]


def test_one_squeue_asks_for_all_and_sacct_is_asked_only_about_what_it_lacks(fake):
    says(fake, "7_0|hb-0123456789ab|RUNNING|0|0|n1|None|", "8_0|hb-aaaaaaaaaaaa|RUNNING|0|0|n1|None|")
    queue.look(CLUSTER, [submission(tasks=1), submission("hb-aaaaaaaaaaaa", 1, "8")])
    assert (len(fake.calls("squeue")), fake.calls("sacct")) == (1, [])
    queue.look(CLUSTER, [submission(tasks=1), submission("hb-aaaaaaaaaaaa", 2, "8")])
    [asked] = fake.calls("sacct")
    assert "--name=hb-aaaaaaaaaaaa " in asked


def test_accounting_tells_of_what_the_controller_forgot(fake):
    says(fake, "7_0|hb-0123456789ab|RUNNING|0|0|n1|None|")
    says(
        fake,
        "7_0|hb-0123456789ab|COMPLETED|0:0|n9",
        "7_1|hb-0123456789ab|CANCELLED by 1000|0:15|n2",
        "7_[2-3,6-8:2%2]|hb-0123456789ab|CANCELLED by 0|0:0|None assigned",
        "7_9|hb-0123456789ab|RUNNING|0:0|n1",
        command="sacct",
    )
    entries = queue.look(CLUSTER, [submission(tasks=10)]).entries
    assert [(each.index, each.state, each.nodes) for each in entries] == [
        (0, "RUNNING", "n1"), (1, "CANCELLED", "n2"), (2, "CANCELLED", ""), (3, "CANCELLED", ""),
        (6, "CANCELLED", ""), (8, "CANCELLED", ""),
    ]  # fmt: skip
    assert (entries[1].reason, entries[1].exit_code, entries[1].job_id) == ("by 1000", "0:15", "7_1")


@pytest.mark.parametrize("shell", ["echo 'Slurm accounting storage is disabled' >&2; exit 1", "echo garbage; exit 0"])
def test_accounting_that_is_absent_or_broken_changes_nothing(shell, fake):
    says(fake, "7_0|hb-0123456789ab|RUNNING|0|0|n1|None|")
    fake.steer("sacct.instead", shell)
    found = queue.look(CLUSTER, [submission()])
    assert found.reachable
    assert [entry.index for entry in found.entries] == [0]


def test_a_controller_that_is_away_teaches_nothing(fake):
    fake.steer("squeue.instead", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    assert queue.look(CLUSTER, [submission()]) == Queue(
        False, (), "slurm_load_jobs error: Unable to contact slurm controller"
    )


def test_a_command_that_hangs_is_given_up_with_what_it_started(fake):
    fake.steer("squeue.instead", "sleep 60")
    found = queue.look(CLUSTER, [submission()], seconds=0.3)
    assert not found.reachable
    assert found.problem == "no answer from squeue within 0.3 seconds"


@pytest.mark.parametrize(
    ("whose", "words"), [({"cluster": "other"}, "cluster other"), ({"cluster": "fake", "uid": 4294967}, "user 4294967")]
)
def test_what_another_slurm_or_user_has_is_named_and_left_alone(whose, words, fake, tmp_path):
    theirs(tmp_path, **whose)
    known = submit.known(tmp_path)
    seen = queue.look(CLUSTER, known)
    assert seen == Queue(True, (), foreign={"hb-0123456789ab": words})
    assert fake.calls("sacct") == []
    assert submit.settle(tmp_path, known, seen).dropped == ()
    given = [replace(each, job_id="7") for each in known]
    assert sweep.sweep(tmp_path, given, seen, lambda task: True) == []
    assert submit.known(tmp_path) == known


def test_our_own_submissions_and_those_of_before_are_ours(fake, tmp_path):
    sent = submit.submit(tmp_path, CLUSTER, REQUEST, [Task("t/0", ())], function="work:do", environment={})
    assert (sent.cluster, sent.uid) == ("fake", os.getuid())
    assert submit.known(tmp_path) == [sent]
    seen = queue.look(CLUSTER, [sent, submission()])
    assert (seen.foreign, len(seen.entries)) == ({}, 1)


def test_a_controller_that_does_not_say_its_name_teaches_nothing(fake, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", "/of another one")
    fake.steer("scontrol.instead", "echo 'slurm_load_ctl_conf error: Socket timed out' >&2; exit 1")
    assert not queue.look(CLUSTER, [submission()]).reachable
    with pytest.raises(Unavailable):
        origin.here()


def test_no_slurm_is_an_error_and_not_an_empty_queue(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no Slurm"):
        queue.look(CLUSTER, [])


def test_cancelling_what_is_over_is_no_fault(fake):
    fake.steer(
        "scancel.instead", "echo 'scancel: error: Kill job error on job id 7_1: Invalid job id specified' >&2; exit 1"
    )
    queue.cancel(["7_1"])
    assert fake.calls("scancel") == ["scancel --quiet 7_1"]
    fake.steer("scancel.instead", "echo 'scancel: error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(Unavailable):
        queue.cancel(["7_1"])


def test_cancelling_nothing_asks_nobody(fake):
    queue.cancel([])
    assert fake.calls("scancel") == []


def test_limits_are_the_profiles_or_the_controllers(fake):
    assert queue.limits(CLUSTER).array == 4
    assert queue.limits(Cluster(description="ours", max_array=9)).array == 9
    fake.steer(
        "scontrol.instead", "echo 'MaxArraySize = 1001'; echo 'SchedulerParameters = x,max_array_tasks=50'; exit 0"
    )
    assert queue.limits(CLUSTER).array == 50
    fake.steer("scontrol.instead", "echo 'MaxArraySize = 0'; exit 0")
    with pytest.raises(ConfigError, match="no job arrays"):
        queue.limits(CLUSTER)
