"""Real pre-trainings on a real Slurm: interrupted ones end in the bits of one that nobody disturbed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from place import ROOT

TINY = Path(__file__).with_name("tiny.yaml")


@pytest.fixture(scope="module")
def cluster(pocket):
    return pocket(memory_mb=16000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where everything is that these tests make; the pictures are drawn once."""
    folder = tmp_path_factory.mktemp("training")
    each = {"gpus": 0, "cpus": 1, "memory": "3G", "hours": 1.0}
    for name, processes in (("one", 1), ("two", 2)):
        kinds = {"pretrain": {**each, "processes": processes}, "transfer": each}
        profile = {"description": "a pocket cluster", "partition": "requeue", "poll_seconds": 0.5, "kinds": kinds}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(profile))
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder):
    """Backbone and record of the pre-training, and record of the fine-tuning, without a cluster."""
    with _run(folder, dict(os.environ), "local", "local") as process:
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return _results(folder / "local")


def test_an_interrupted_pretraining_ends_in_the_same_bits(cluster, undisturbed, folder):
    """Once it is requeued by hand, once it is told that its time is nearly up."""
    with _run(folder, cluster.environment, "slurm", "one.yaml") as process:
        job = _wait_for_step(folder / "slurm", 5, 1)
        cluster.run("scontrol", "requeue", job)
        assert _wait_for_step(folder / "slurm", 15, 2) == job
        cluster.run("scancel", "--signal=USR2", job)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    backbone, pretrained, tuned = _results(folder / "slurm")
    assert pretrained["timings"]["attempts"] == 3
    assert backbone == undisturbed[0]
    assert (pretrained["metrics"], tuned["metrics"]) == (undisturbed[1]["metrics"], undisturbed[2]["metrics"])


def test_two_processes_stop_together_and_end_in_the_same_bits(cluster, folder):
    with (
        _run(folder, cluster.environment, "calm", "two.yaml") as calm,
        _run(folder, cluster.environment, "pair", "two.yaml") as process,
    ):
        cluster.run("scontrol", "requeue", _wait_for_step(folder / "pair", 5, 1))
        for each in (process, calm):
            _, errors = each.communicate(timeout=300)
            assert each.returncode == 0, errors
    (backbone, pretrained, _), (expected, other, _) = _results(folder / "pair"), _results(folder / "calm")
    assert (pretrained["timings"]["attempts"], other["timings"]["attempts"]) == (2, 1)
    assert (pretrained["processes"], backbone) == (2, expected)


def _run(folder, environment, store, cluster):
    command = [
        sys.executable, "-m", "harness.cli", "run", "1", "--only", "pixcon-sr", "--profile", str(TINY),
        "--store", store, "--cluster", cluster,
    ]  # fmt: skip
    ours = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env={**environment, **ours}, **pipes)


def _wait_for_step(store, step, attempt):
    """Slurm's id of the pre-training once this attempt has come to a step."""
    deadline = time.monotonic() + 240
    while True:
        for run in store.glob("pretrain/*"):
            claim, progress = run / "attempts" / f"{attempt:04d}", run / "progress.json"
            if claim.exists() and progress.exists() and json.loads(progress.read_text())["step"] >= step:
                return json.loads(claim.read_text())["slurm"]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def _results(store):
    (pretrained,), (tuned,) = store.glob("pretrain/*/record.json"), store.glob("transfer/*/record.json")
    backbone = (pretrained.parent / "backbone.safetensors").read_bytes()
    return backbone, json.loads(pretrained.read_text()), json.loads(tuned.read_text())
