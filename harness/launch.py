"""A job of several processes on this machine: the one that was started starts the others, and becomes their first."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from harness import claims
from harness.ranks import LAUNCH

NAMES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Variables by which processes know each other, torchrun's words."""
GRACE_SECONDS = 5.0


def others(directory: Path) -> list[subprocess.Popen[bytes]]:
    """Start the other processes of the job in ``directory``, and name this one their first; none if it does its job
    alone, or they were started by whoever started it."""
    if "WORLD_SIZE" in os.environ:
        return []
    wanted = _processes(directory)
    if wanted < 2:
        return []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(wanted), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common[LAUNCH] = claims.process_name(os.getpid())
    os.environ.update(common, RANK="0", LOCAL_RANK="0")
    command = [sys.executable, "-P", "-m", "harness.worker", str(directory)]
    own = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(1, wanted)]
    return [subprocess.Popen(command, env={**os.environ, **each}, stdin=subprocess.DEVNULL) for each in own]


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait for those that end by themselves; end the others."""
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _processes(directory: Path) -> int:
    """How many the job's settings ask for; one where there is no job, which others will find out."""
    try:
        job = json.loads((directory / "job.json").read_text(encoding="utf-8"))
        return int(job["config"].get("processes", 1))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 1
