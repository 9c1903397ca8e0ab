"""Several processes, on the CPU: batch norms over each one's images, which the task must give up by name."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ground.errors import ConfigError
from transfer import protocol

WORKER = Path(__file__).parent / "two_processes.py"


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
def test_two_processes_train_and_test_one_network_and_resume_in_the_same_bits(voc, scenes, backbone, tmp_path):
    settings = voc.model_copy(update={"processes": 2, "waive": ("norm",), "device": "cpu"}).model_dump_json()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    running = []
    for rank in ("0", "1"):
        environment = os.environ | {
            "WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        }  # fmt: skip
        paths = map(str, (scenes, backbone, tmp_path, tmp_path / f"{rank}.json"))
        command = [sys.executable, str(WORKER), settings, *paths]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
    try:
        for process in running:
            _, errors = process.communicate(timeout=240)
            assert process.returncode == 0, errors.decode()[-3000:]
    finally:
        for process in running:
            process.kill()
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in "01")
    assert first["metrics"] == second["metrics"]
    assert first["metrics"][0] == first["metrics"][1]
    assert first["stopped"] == second["stopped"] == ["SIGTERM", 1]
    assert first["heard"] == [*range(1, 7), 8]
    assert second["heard"] == []
    straight, again = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["state_dict"] for name in ("straight", "again")
    )
    assert all(torch.equal(straight[name], again[name]) for name in straight)


def test_synchronised_norms_are_not_to_be_had_on_a_cpu(voc):
    two = voc.model_copy(update={"processes": 2})
    with pytest.raises(ConfigError, match=r"2 processes on the CPU have no batch norm in common.*waive: \[norm\]"):
        protocol.share(two, tool="mmsegmentation", device="cpu")
    assert protocol.share(two, tool="mmsegmentation", device="cuda").norm == "SyncBN"
