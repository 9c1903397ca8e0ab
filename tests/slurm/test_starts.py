"""What accounting says of each start of a task: as Slurm 22.05 said it of a job that was pre-empted, requeued by hand
and then lost with its node."""

import time

import pytest

from slurm import accounting
from slurm.requests import Request, Submission, Task

REQUEST = Request(nodes=1, tasks_per_node=1, gpus_per_node=0, cpus_per_task=1, minutes=60)
TOKEN = "hb-0123456789ab"
SAID = f"""\
1_0|{TOKEN}|PREEMPTED|2026-11-26T17:24:49
1_0|{TOKEN}|NODE_FAIL|2026-11-26T17:25:20
1_0|{TOKEN}|REQUEUED|2026-11-26T17:24:58
1_0|{TOKEN}|RUNNING|2026-11-26T17:25:35
1_1|{TOKEN}|CANCELLED by 0|2026-11-26T17:24:49
1_[2-5]|{TOKEN}|PENDING|2026-11-26T17:24:49
9_0|{TOKEN}|FAILED|2026-11-26T17:24:49
1_1|vim|FAILED|2026-11-26T17:24:49
nonsense
"""


@pytest.fixture
def submission():
    return Submission(TOKEN, REQUEST, tuple(Task(f"t/{i}", ()) for i in range(6)), (), time.time(), "1")


def test_each_start_that_is_over_has_its_word_by_the_order_of_submission(fake, submission):
    fake.steer("sacct.instead", f"cat <<'END'\n{SAID}END\nexit 0")
    assert accounting.starts(submission) == {
        (0, 0): "PREEMPTED", (0, 1): "REQUEUED", (0, 2): "NODE_FAIL", (1, 0): "CANCELLED"
    }  # fmt: skip


@pytest.mark.parametrize("answer", ["exit 1", f"echo '1_0|{TOKEN}|FAILED|x'; exit 1", "exit 0"])
def test_accounting_that_does_not_answer_says_nothing(fake, submission, answer):
    fake.steer("sacct.instead", answer)
    assert accounting.starts(submission) == {}


def test_where_nobody_keeps_records_there_is_none(fake, submission):
    fake.steer("sacct.instead", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert accounting.starts(submission) is None
