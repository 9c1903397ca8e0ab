"""A signal to every process of a real training, its readers of data included: it leaves a checkpoint and its last word,
and ends in the same bits."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness import endings, worker
from harness.store import Store

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "real_training.py"
needs_gloo = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")


@pytest.fixture
def start(place, planned, tmp_path):
    """``start(name)``: the job in a run directory of that name, as a process of its own group; both."""
    photos, started = tmp_path / "photos", []
    photos.mkdir()
    for number in range(16):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number:02d}.png")

    def call(name, **more):
        runs, job = Store(tmp_path / name), planned.jobs[0]
        runs.prepare(job)
        command = [sys.executable, str(SCRIPT), str(photos), str(runs.directory(job))]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}
        started.append(subprocess.Popen(command, env=environment, start_new_session=True))
        return runs.directory(job), started[-1]

    call.photos = photos
    yield call
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def two(start, name, restart):
    """The job in two processes, as Slurm starts them: its run directory and both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    slurm = {"SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0", "SLURM_RESTART_COUNT": str(restart)}
    both = [start(name, RANK=rank, LOCAL_RANK=rank, **meet, **slurm) for rank in "01"]
    return both[0][0], [process for _, process in both]


@needs_gloo
def test_two_processes_of_slurm_stop_together_and_end_in_the_same_bits(start, place):
    whole, both = two(start, "whole", 0)
    assert [process.wait(timeout=120) for process in both] == [0, 0], (whole / "log.txt").read_text()
    cut, both = two(start, "cut", 0)
    curve = cut / "curve.csv"
    place.wait_until(lambda: curve.exists() and "\n4," in curve.read_text())
    for process in both:
        os.killpg(process.pid, signal.SIGTERM)
    assert [process.wait(timeout=60) for process in both] == [worker.EXIT_CODES["stopped"]] * 2
    assert endings.read(cut / "attempts", 1).signal == "SIGTERM"
    assert not torch.load(cut / "checkpoint.pt", weights_only=True)["step"] % 3  # where the host reads its losses
    _, both = two(start, "cut", 1)
    assert [process.wait(timeout=120) for process in both] == [0, 0], (cut / "log.txt").read_text()
    one, other = (json.loads((folder / "record.json").read_text()) for folder in (whole, cut))
    assert (one["outputs"], one["metrics"], one["curve"]) == (other["outputs"], other["metrics"], other["curve"])
    assert other["processes"] == 2


@needs_gloo
def test_a_broken_image_of_either_process_is_in_the_record(start):
    (start.photos / "07.png").write_bytes((start.photos / "07.png").read_bytes()[:500])
    out, both = two(start, "out", 0)
    assert [process.wait(timeout=120) for process in both] == [1, 1]
    error = json.loads((out / "record.json").read_text())["error"]
    assert error["kind"] == "data"
    assert "07.png" in error["message"]


def test_a_training_that_slurm_signals_ends_in_the_same_bits(start, place):
    whole, process = start("whole")
    assert process.wait(timeout=120) == 0, (whole / "log.txt").read_text()
    for attempt, (number, step) in enumerate([(signal.SIGUSR2, 4), (signal.SIGTERM, 10)], start=1):
        cut, process = start("cut")
        curve = cut / "curve.csv"
        place.wait_until(lambda at=f"\n{step},", curve=curve: curve.exists() and at in curve.read_text())
        os.killpg(process.pid, number)
        assert process.wait(timeout=60) == worker.EXIT_CODES["stopped"], (cut / "log.txt").read_text()
        end = endings.read(cut / "attempts", attempt)
        assert (end.outcome, end.signal) == ("stopped", number.name)
        assert step <= torch.load(cut / "checkpoint.pt", weights_only=True)["step"] < 32
        assert not (cut / "record.json").exists()
    cut, process = start("cut")
    assert process.wait(timeout=120) == 0, (cut / "log.txt").read_text()
    one, two = (json.loads((folder / "record.json").read_text()) for folder in (whole, cut))
    assert one["outputs"] == two["outputs"]
    assert one["metrics"] == two["metrics"]
    assert one["curve"] == two["curve"]
    assert two["timings"]["attempts"] == 3
    shutil.rmtree(whole.parents[1])
