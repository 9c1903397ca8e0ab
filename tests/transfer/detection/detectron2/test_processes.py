"""Two gloo processes share the batch: one set of weights, one set of detections, killed or not."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ground.config import merge
from ground.errors import ConfigError
from ground.progress import silent
from transfer.run import run

pytest.importorskip("detectron2", reason="detectron2 is not importable")
WORKER = Path(__file__).parent / "two_processes.py"
needs_gloo = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")


def start(config, weights, data, out, *, die_at=0):
    """The run in two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    settings = {name: value for name, value in config.model_dump(mode="json").items() if name != "name"}
    changes = {"processes": 2, "waive": ["norm"], "device": "cpu"}
    command = [
        sys.executable,
        str(WORKER),
        json.dumps(merge(settings, changes)),
        *map(str, (weights, data, out, die_at)),
    ]
    return [
        subprocess.Popen(
            command,
            env=os.environ
            | {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"}
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in (0, 1)
    ]


def end(started):
    for process in started:
        process.kill()
        process.communicate()


def launch(config, weights, data, out, *, die_at=0):
    """What each of two processes wrote, none if they die."""
    started = start(config, weights, data, out, die_at=die_at)
    try:
        for process in started[:1] if die_at else started:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == (9 if die_at else 0), errors.decode()[-3000:]
    finally:
        end(started)
    return [] if die_at else [json.loads((out / f"result.{rank}.json").read_text()) for rank in (0, 1)]


@needs_gloo
def test_an_error_in_one_process_ends_it_although_the_other_waits_for_it(tiny50, resnet50, voc_root, tmp_path):
    image = voc_root / "VOC2007" / "JPEGImages" / "000001.jpg"
    image.write_bytes(image.read_bytes()[:-200])
    started = start(tiny50, resnet50, voc_root, tmp_path / "out")
    try:
        errors = [process.communicate(timeout=120)[1].decode() for process in started]
    finally:
        end(started)
    own, others = sorted(errors, key=lambda text: "000001.jpg: cannot be decoded" not in text)
    assert [process.returncode for process in started] == [1, 1]
    assert "DataError" in own
    assert "Connection closed by peer" in others  # where it is not told so, the launcher ends it


@needs_gloo
def test_two_processes_end_alike_and_go_on_where_they_were_killed(tiny50, resnet50, voc_root, tmp_path):
    straight = launch(tiny50, resnet50, voc_root, tmp_path / "straight")
    assert straight[0] == straight[1]
    launch(tiny50, resnet50, voc_root, tmp_path / "killed", die_at=5)
    assert (tmp_path / "killed" / "detectron2" / "last_checkpoint").read_text() == "model_0000003.pth"
    assert launch(tiny50, resnet50, voc_root, tmp_path / "killed") == straight
    detections = [(tmp_path / out / "detections.json").read_bytes() for out in ("straight", "killed")]
    assert len(detections[0]) > 100
    assert detections[0] == detections[1]


def test_what_was_started_must_be_what_was_planned(tiny50, resnet50, voc_root, tmp_path):
    config = tiny50.model_copy(update={"processes": 2})
    with pytest.raises(ConfigError, match=r"WORLD_SIZE: 1 processes were started"):
        run(config, tool="detectron2", seed=0, weights=resnet50, data=voc_root, out=tmp_path / "out", report=silent)
