"""The executor: real processes through submitit's local executor."""

import os
import signal
import sys
import time

import pytest

from slurm.executor import Executor, visible_gpus

WORK = '''
"""What the jobs of these tests do."""
import os, signal, time
from pathlib import Path

def say(path):
    names = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    write(path, repr([os.environ.get(name) for name in names] + [blocked]))

def hang(path):
    write(path, str(os.getpid()))
    while True:
        time.sleep(0.01)

def stubborn(path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hang(path)

def gentle(path):
    def stop(number, frame):
        write(path + ".stopped", "yes")
        raise SystemExit
    signal.signal(signal.SIGTERM, stop)
    hang(path)

def write(path, text):
    Path(path + ".part").write_text(text)
    os.replace(path + ".part", path)
'''


@pytest.fixture
def executor(tmp_path, monkeypatch):
    (tmp_path / "work_of_test.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = []

    def make(**options):
        started.append(Executor(tmp_path / f"submitit{len(started)}", **{"workers": 1, **options}))
        return started[-1]

    yield make
    for each in started:
        each.stop(0)


def until(condition):
    deadline = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return value


def pid_in(path):
    return int(until(lambda: path.exists() and path.read_text()))


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_a_job_gets_its_environment_and_no_ctrl_c(executor, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    handle = executor(gpus=("3",)).submit(
        "work_of_test:say", str(tmp_path / "said"), environment={"OMP_NUM_THREADS": "1"}
    )
    until(handle.done)
    assert (tmp_path / "said").read_text() == "['1', '3', True]"
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_no_more_than_workers_at_once_and_a_killed_job_is_noticed(executor, tmp_path):
    two = executor(workers=2)
    first = two.submit("work_of_test:hang", str(tmp_path / "a"))
    assert two.free() == 1
    second = two.submit("work_of_test:hang", str(tmp_path / "b"))
    assert two.free() == 0
    os.kill(pid_in(tmp_path / "a"), signal.SIGKILL)
    until(first.done)
    assert two.free() == 1
    assert not second.done()


def test_a_job_that_listens_is_asked_to_stop(executor, tmp_path):
    one = executor()
    one.submit("work_of_test:gentle", str(tmp_path / "a"))
    pid = pid_in(tmp_path / "a")
    one.stop(grace_seconds=60)
    assert gone(pid)
    assert (tmp_path / "a.stopped").exists()
    assert one.free() == 1


def test_a_job_that_does_not_listen_is_killed(executor, tmp_path):
    one = executor()
    one.submit("work_of_test:stubborn", str(tmp_path / "a"))
    pid = pid_in(tmp_path / "a")
    one.stop(grace_seconds=0.1)
    until(lambda: gone(pid))  # the signal is sent; a busy machine takes a moment to deliver it
    assert gone(pid)


def test_a_job_that_cannot_start_says_why(executor):
    handle = executor().submit("no_such_module:work")
    until(handle.done)
    assert "No module named 'no_such_module'" in handle.stderr.read_text()


def test_gpus_are_shared_out_evenly(executor, tmp_path):
    three = executor(workers=3, gpus=("4", "7"))
    handles = [three.submit("work_of_test:hang", str(tmp_path / name)) for name in "ab"]
    assert [handle.gpu for handle in handles] == ["4", "7"]
    os.kill(pid_in(tmp_path / "a"), signal.SIGKILL)
    until(handles[0].done)
    assert three.submit("work_of_test:hang", str(tmp_path / "c")).gpu == "4"


@pytest.mark.parametrize(("chosen", "expected"), [("2,5", ("2", "5")), ("", ()), ("-1", ()), ("GPU-ab", ("GPU-ab",))])
def test_visible_gpus_are_those_chosen(chosen, expected, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == expected


def test_importing_the_executor_does_not_import_submitit():
    code = "import sys, slurm.executor; print('submitit' in sys.modules)"
    assert os.popen(f'{sys.executable} -c "{code}"').read().strip() == "False"
