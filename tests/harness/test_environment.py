"""A job's process: its threads, devices and variables, and none of what it stands among."""

import os

import pytest
import torch
from place import record

from harness import worker
from harness.store import Store


def test_a_job_is_told_its_threads_before_its_interpreter_starts():
    assert worker.environment(3)["OMP_NUM_THREADS"] == "3"
    assert worker.environment(3)["PYTHONHASHSEED"] == "0"


def test_a_job_for_the_cpu_sees_no_gpu(runs, planned, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    worker.execute(runs.directory(planned.jobs[0]))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert record(runs, planned.jobs[0])["device_class"] == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize(("slurm", "kind"), [("", "config"), ("7", "node")])
def test_a_job_for_a_gpu_is_refused_without_one(place, monkeypatch, slurm, kind):
    monkeypatch.setenv("SLURM_JOB_ID", slurm)
    from harness.plan import Request, build

    request = Request(tables=("1",), profile="toy.yaml", overrides=("pretrain.train.device=cuda",))
    build(request).source.generate(lambda step, total, **numbers: None)
    job, runs = build(request).jobs[0], Store(place.store)
    runs.prepare(job)
    worker.execute(runs.directory(job))
    error = record(runs, job)["error"]
    assert error["kind"] == kind
    assert "planned for a GPU and torch finds none" in error["message"]


def test_what_torchrun_leaves_behind_does_not_reach_a_job(place, runs, planned, monkeypatch, tmp_path):
    from slurm.executor import Executor

    (tmp_path / "show_environment.py").write_text(
        "import os, pathlib\ndef show(path):\n    pathlib.Path(path).write_text(' '.join(os.environ))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "nowhere")
    executor = Executor(tmp_path / "submitit", workers=1)
    executor.submit("show_environment:show", str(tmp_path / "names"), environment=worker.environment(1))
    place.wait_until(lambda: executor.free() == 1)
    names = (tmp_path / "names").read_text().split()
    assert "OMP_NUM_THREADS" in names
    assert not {"WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} & set(names)
    assert os.environ["WORLD_SIZE"] == "2"


def test_a_job_that_is_not_slurms_own_does_not_know_of_slurm():
    assert worker.apart(1)["SLURM_JOB_ID"] is None
    assert "SLURM_JOB_ID" not in worker.environment(1)
