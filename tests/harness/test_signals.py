"""A signal to every process of a real training, its readers of data included: it leaves a checkpoint and its last word,
and ends in the same bits."""

import json
import os
import shutil
import signal
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


@pytest.fixture
def start(place, planned, tmp_path):
    """``start(name)``: the job in a run directory of that name, as a process of its own group; both."""
    photos, started = tmp_path / "photos", []
    photos.mkdir()
    for number in range(16):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number:02d}.png")

    def call(name):
        runs, job = Store(tmp_path / name), planned.jobs[0]
        runs.prepare(job)
        command = [sys.executable, str(SCRIPT), str(photos), str(runs.directory(job))]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen(command, env=environment, start_new_session=True))
        return runs.directory(job), started[-1]

    yield call
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
