"""Where a test of the harness works, and how it steers the fake rooms."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOMS = Path(__file__).parent / "rooms"
ROOT = Path(__file__).parents[2]
BARE = "description: a profile of the tests\nseconds: {pretrain: 60, transfer: 30}\n"
FEW = """\
extends: smoke
description: a few scenes
scenes:
  coco: {train2017: 8, val2017: 6, unlabeled2017: 1}
  voc2007: {trainval: 2, test: 2}
  voc2012: {train: 2, val: 2, aug: 2}
  cityscapes: {train: 1, val: 1}
  ade20k: {training: 1, validation: 1}
"""
"""A profile of the real rooms, of as few scenes as there may be."""
RUNS_HERE = f"{ROOMS}{os.pathsep}{ROOT}"
"""PYTHONPATH of the fake rooms and the harness of this checkout, whatever is installed."""


class Place:
    """A folder to work in and one by which the fake rooms are steered; ``environment`` of the processes it starts."""

    def __init__(self, folder, control, environment=None):
        self.folder, self.control, self.store = folder, control, folder / "runs"
        self.environment = environment
        self.processes = []
        for made in (folder, control):
            made.mkdir()
        (folder / "bare.yaml").write_text(BARE)
        (folder / "toy.yaml").write_text(f"{BARE}scenes: {{}}\n")

    def start(self, *arguments):
        """``harness ARGUMENTS --profile toy.yaml`` as a process of its own."""
        command = [sys.executable, "-m", "harness.cli", *arguments, "--profile", "toy.yaml"]
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        return process

    def end(self):
        """Leave nothing at work, whatever became of the test."""
        for hold in self.control.glob("hold.*"):
            hold.unlink()
        for process in self.processes:
            process.kill()
            process.communicate()

    def harness(self, *arguments):
        """Exit code, stdout and stderr of ``harness ARGUMENTS``."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=120)
        return process.returncode, output, errors

    def hold(self, name):
        (self.control / f"hold.{name}").touch()

    def let_go(self, name):
        (self.control / f"hold.{name}").unlink()

    def fail(self, name, kind):
        (self.control / f"fail.{name}").write_text(kind)

    def mend(self, name):
        (self.control / f"fail.{name}").unlink()

    def eat(self, name, megabytes):
        """Let a job use so much memory."""
        (self.control / f"eat.{name}").write_text(f"{megabytes}")

    def executions(self):
        """(name, pid, first step) of every execution of a room so far."""
        return [(name, int(pid), int(step)) for name, pid, step in self._lines("executions")]

    def names(self):
        return sorted(name for name, _, _ in self.executions())

    def completions(self):
        """Names of the executions that came to their end, in that order."""
        return [name for (name,) in self._lines("completions")]

    def _lines(self, name):
        file = self.control / name
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def directory(self, kind, beginning):
        """The one run directory of a kind whose name begins so."""
        (found,) = [path for path in (self.store / kind).iterdir() if path.name.startswith(beginning)]
        return found

    @staticmethod
    def wait_until(condition, seconds=60):
        """Wait for something that another process does."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)
        return value

    @staticmethod
    def alive(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False


def record(runs, job):
    """What a job of the store wrote down when it ended."""
    return json.loads((runs.directory(job) / "record.json").read_text())
