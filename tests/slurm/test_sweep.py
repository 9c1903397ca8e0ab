"""Submissions that are over and whose jobs are done go; others stay."""

import os
import time

from slurm import submit, tokens
from slurm.cluster import Cluster
from slurm.requests import Entry, Queue, Request, Task
from slurm.sweep import sweep

REQUEST = Request(nodes=1, tasks_per_node=1, gpus_per_node=0, cpus_per_task=2, minutes=60)
TOMORROW = time.time() + 25 * 3600


def send(home, *names):
    tasks = [Task(name, (name,)) for name in names]
    return submit.submit(home, Cluster(description="ours"), REQUEST, tasks, function="work:do", environment={})


def entry(submission, phase, state):
    return Entry(submission.token, 0, submission.id_of(0), phase, state)


def test_only_what_is_over_and_done_goes_and_not_on_the_same_day(fake, tmp_path):
    home = tmp_path / "home"
    done, failed, running, ending = (send(home, name) for name in ("done", "failed", "running", "ending"))
    queue = Queue(True, (entry(running, "running", "RUNNING"), entry(ending, "ended", "COMPLETED")))
    assert sweep(home, submit.known(home), queue, lambda task: True) == []
    gone = sweep(home, submit.known(home), queue, lambda task: task.name != "failed", now=TOMORROW)
    assert [each.token for each in gone] == [done.token, ending.token]
    assert {each.token for each in submit.known(home)} == {failed.token, running.token}
    assert {path.name for path in home.iterdir()} == {failed.token, running.token}


def test_nothing_goes_while_the_queue_does_not_answer(fake, tmp_path):
    send(tmp_path, "done")
    assert sweep(tmp_path, submit.known(tmp_path), Queue(False, (), "away"), lambda task: True, TOMORROW) == []
    assert len(submit.known(tmp_path)) == 1


def test_what_was_never_written_down_whole_goes_after_a_day(fake, tmp_path):
    (tmp_path / "hb-0123456789ab").mkdir()
    (tmp_path / ".gone-hb-aaaaaaaaaaaa-1").mkdir()
    (tmp_path / "somebody's").mkdir()
    sweep(tmp_path, [], Queue(True), lambda task: True)
    assert len(list(tmp_path.iterdir())) == 4  # with the fake Slurm
    sweep(tmp_path, [], Queue(True), lambda task: True, now=TOMORROW)
    assert {path.name for path in tmp_path.iterdir()} == {"fake", "somebody's"}


def test_a_task_of_a_swept_submission_that_starts_after_all_fails_and_does_nothing(fake, tmp_path):
    sent = send(tmp_path / "home", "late")
    script = (tokens.folder_of(tmp_path / "home", sent.token) / "batch.sh").read_text()
    sweep(tmp_path / "home", [sent], Queue(True), lambda task: True, now=TOMORROW)
    (tmp_path / "batch.sh").write_text(script)
    variables = "SLURM_ARRAY_JOB_ID=100 SLURM_ARRAY_TASK_ID=0 SLURM_JOB_ID=100"
    assert os.waitstatus_to_exitcode(os.system(f"{variables} bash {tmp_path / 'batch.sh'}")) == 75
    assert fake.calls("srun") == []
    assert list((tmp_path / "home").iterdir()) == []
