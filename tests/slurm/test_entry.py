"""What srun starts: a task is found by token and array index."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slurm import tokens
from slurm.requests import Request, Task

ROOT = Path(__file__).parents[2]
REQUEST = Request(nodes=1, tasks_per_node=2, gpus_per_node=0, cpus_per_task=2, minutes=60)
WORK = """
import json, os, sys
NAMES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES")

def do(path, code):
    json.dump({name: os.environ.get(name) for name in NAMES} | {"path": sys.path[:2]}, open(path, "w"))
    return int(code) if code.isdigit() else code
"""


@pytest.fixture
def start(tmp_path):
    """Run a task of a submission with two as srun does; the exit code and what it saw."""
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "work_of_entry.py").write_text(WORK)
    tasks = tuple(
        Task(f"t/{index}", (str(tmp_path / f"seen{index}"), code)) for index, code in enumerate(("7", "done"))
    )
    submission = tokens.new(REQUEST, tasks, (), 0.0)
    folder = tokens.write(tmp_path / "home", submission, tokens.Call("work_of_entry:do", {}))

    def run(index, **variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        own = {"PYTHONPATH": f"{tmp_path / 'snapshot'}:{ROOT}", "SLURM_ARRAY_TASK_ID": str(index)}
        command = [sys.executable, "-P", "-m", "slurm.entry", str(folder)]
        done = subprocess.run(command, env={**kept, **own, **variables}, cwd="/", check=False)
        seen = tmp_path / f"seen{index}"
        return done.returncode, json.loads(seen.read_text()) if seen.exists() else None

    run.folder = folder
    return run


def test_a_task_is_found_by_its_index_and_ends_with_its_code(start, tmp_path):
    code, seen = start(0, SLURM_NTASKS="1")
    assert (code, seen["WORLD_SIZE"]) == (7, None)
    assert seen["path"][0] == str(tmp_path / "snapshot")
    assert start(1)[0] == 0


def test_several_processes_are_told_about_each_other(start):
    slurm = {
        "SLURM_NTASKS": "4", "SLURM_JOB_NUM_NODES": "2", "SLURM_PROCID": "3", "SLURM_LOCALID": "1",
        "SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "8", "SLURM_JOB_NODELIST": "localhost,nowhere.invalid",
        "SUBMITIT_EXECUTOR": "slurm", "CUDA_VISIBLE_DEVICES": "2,3",
    }  # fmt: skip
    _, seen = start(0, **slurm)
    assert (seen["WORLD_SIZE"], seen["RANK"], seen["LOCAL_RANK"]) == ("4", "3", "1")
    assert (seen["MASTER_ADDR"], seen["CUDA_VISIBLE_DEVICES"]) == ("localhost", "2,3")
    assert 1024 < int(seen["MASTER_PORT"]) < 65536
    _, other = start(0, **{**slurm, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"})
    assert other["MASTER_PORT"] == seen["MASTER_PORT"]


def test_a_node_whose_name_is_no_hosts_is_found_by_its_address(start):
    slurm = {
        "SLURM_NTASKS": "2", "SLURM_JOB_ID": "9", "SLURM_JOB_NODELIST": "nowhere.invalid", "SUBMITIT_EXECUTOR": "slurm",
        "SLURM_LAUNCH_NODE_IPADDR": "10.1.2.3",
    }  # fmt: skip
    assert start(0, **slurm)[1]["MASTER_ADDR"] == "10.1.2.3"


def test_a_task_that_was_given_up_does_nothing(start):
    tokens.decide(start.folder, tokens.DROPPED)
    assert start(0) == (75, None)
