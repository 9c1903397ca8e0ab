"""Several processes do one job: one claim, one record, and a fault of any of them is told."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from harness import endings, ranks, worker


@pytest.fixture
def job(runs, planned):
    """The run directory of a pre-training of the fake rooms."""
    return runs.directory(planned.jobs[0])


@pytest.fixture
def together(place, job, tmp_path):
    """``together(code)``: two processes of the job, as Slurm starts them; ``code`` is run in each before it works."""
    started = []

    def start(code="", restart="0", world=2, patience=0.5):
        script = tmp_path / "process.py"
        script.write_text(f"import os, sys\nfrom pretrain import run\nrank = os.environ['RANK']\n{code}\n"
                          "from harness import ranks, worker\n"
                          f"ranks.ROUND_SECONDS = {patience}\n"
                          "sys.exit(worker.main(sys.argv[1]))\n")  # fmt: skip
        common = {"WORLD_SIZE": str(world), "SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0", "SLURM_RESTART_COUNT": restart}
        for rank in range(world):
            own = {**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            started.append(subprocess.Popen([sys.executable, str(script), str(job)], env=own))
        return started[-world:]

    yield start
    for process in started:
        process.kill()
        process.wait()


def codes(processes):
    return [process.wait(timeout=60) for process in processes]


def record(job):
    return json.loads((job / "record.json").read_text())


def test_the_first_claims_and_records_and_all_do_the_work(together, job, place):
    assert codes(together(patience=50)) == [0, 0]
    assert place.names() == ["byol", "byol"]
    assert sorted(os.listdir(job / "attempts")) == ["0001", "0001.end"]
    assert record(job)["processes"] == 2
    (other,) = record(job)["host"]["others"]
    assert (other["rank"], other["device"]) == (1, "cpu, 1 thread")
    assert list(record(job)["outputs"]) == ["backbone.safetensors"]


def test_a_job_that_is_done_is_left_alone_by_all(together, job, place):
    assert codes(together()) == [0, 0]
    assert codes(together(restart="1")) == [0, 0]
    assert place.names() == ["byol", "byol"]


BROKEN = """
from ground.errors import DataError
import time
def fail(*arguments, **keywords):
    if rank == "1":
        raise DataError("7.jpg", "is truncated", "Replace it.")
    time.sleep(60)  # waits for the other one, deaf
run.run = fail
"""


def test_a_fault_of_another_process_reaches_the_record_while_the_first_waits_in_vain(together, job):
    began = time.monotonic()
    assert codes(together(BROKEN)) == [1, 1]
    assert time.monotonic() - began < 50
    assert record(job)["error"] == {"kind": "data", "message": "7.jpg: is truncated. Replace it."}
    assert endings.read(job / "attempts", 1).kind == "data"


ECHO = BROKEN.replace("time.sleep(60)", "raise RuntimeError('[gloo] Connection closed by peer')")


def test_the_echo_of_a_fault_is_not_taken_for_it(together, job):
    assert codes(together(ECHO)) == [1, 1]
    assert record(job)["error"]["kind"] == "data"


STOPPED = """
import time
from ground import stopping
def work(*arguments, **keywords):
    open(sys.argv[1] + "/at-work-" + rank, "w").close()
    while True:
        stopping.check()
        time.sleep(0.05)
run.run = work
"""


def test_told_to_go_the_others_let_the_first_one_leave_its_word(together, job, place):
    both = together(STOPPED)
    place.wait_until(lambda: all((job / f"at-work-{rank}").exists() for rank in (0, 1)))
    for process in both:
        process.send_signal(signal.SIGTERM)
    assert codes(both) == [worker.EXIT_CODES["stopped"]] * 2
    end = endings.read(job / "attempts", 1)
    assert (end.outcome, end.signal, end.slurm, end.requeued) == ("stopped", "SIGTERM", "9", False)
    assert not (job / "record.json").exists()
    assert "stopped: SIGTERM" in (job / "ranks" / "9.0-0" / "log-1.txt").read_text()


def test_own_faults_come_before_what_may_follow_from_them(tmp_path):
    three = [ranks.Ranks(rank, 3, tmp_path, tmp_path) for rank in range(3)]
    assert three[0].fault() is None
    three[1].tell_fault({"kind": "node", "message": "Connection closed by peer"})
    assert three[0].fault()["kind"] == "node"
    three[2].tell_fault({"kind": "diverged", "message": "step 3"})
    assert three[0].fault()["kind"] == "diverged"


def test_a_job_of_several_processes_gets_them_on_this_machine(place):
    code, _, errors = place.harness("run", "1", "--only", "byol", "--set", "transfer.processes=2")
    assert code == 0, errors
    assert place.names() == ["byol", "byol.r0", "byol.r0", "byol.r1", "byol.r1"]
    written = [json.loads(path.read_text()) for path in place.store.glob("transfer/*/record.json")]
    assert [each["processes"] for each in written] == [2, 2]
