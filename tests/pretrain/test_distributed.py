"""Two gloo processes with half the batch each compute what one process computes with the whole."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).parent / "two_processes.py"


def launch(world, recipe, out):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = []
    for rank in range(world):
        environment = os.environ | {
            "WORLD_SIZE": str(world), "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        processes.append(
            subprocess.Popen([sys.executable, str(WORKER), recipe, str(out)], env=environment, stderr=subprocess.PIPE)
        )
    try:
        for process in processes:
            _, errors = process.communicate(timeout=90)
            assert process.returncode == 0, errors.decode()[-2000:]
    finally:
        for process in processes:
            process.kill()
    return json.loads((out / "result.json").read_text())


@pytest.mark.parametrize(
    "recipe",
    ["pixcon-sr", "pixcon-coord", "densecl", "byol", "odin", "orl", "pixpro-image", "slotcon-sim-sr", "univip"],
)
def test_two_processes_equal_one_with_the_whole_batch(recipe, tmp_path):
    if not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    results = []
    for world in (1, 2):
        out = tmp_path / str(world)
        out.mkdir()
        results.append(launch(world, recipe, out))
    one, two = results
    assert two["losses"] == pytest.approx(one["losses"], rel=2e-4)
    assert two["gradients"] == pytest.approx(one["gradients"], rel=2e-3, abs=1e-5)
    if recipe != "densecl":  # under ShuffleBN each process tracks its own groups, as the official code does
        assert two["running_mean"] == pytest.approx(one["running_mean"], rel=1e-4, abs=1e-6)
    if one["queue"] is not None:
        assert two["queue"] == pytest.approx(one["queue"], rel=1e-3, abs=1e-5)
    if one["centre"] is not None:
        assert two["centre"] == pytest.approx(one["centre"], rel=1e-4, abs=1e-6)
