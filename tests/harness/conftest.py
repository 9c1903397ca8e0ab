"""Fake rooms that work in milliseconds, for this process and for the processes it starts."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ground import catalog

ROOMS = Path(__file__).parent / "rooms"
ROOT = Path(__file__).parents[2]
BARE = "description: a profile of the tests\nseconds: {pretrain: 60, transfer: 30}\n"
SHADOWED = ("pretrain", "transfer", "fake_work")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory; in it the harness sees the fake rooms."""
    control = tmp_path / "control"
    control.mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "bare.yaml").write_text(BARE)
    (tmp_path / "here" / "toy.yaml").write_text(f"{BARE}scenes: {{}}\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("FAKE_CONTROL", str(control))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the same keys on a machine with a GPU
    monkeypatch.setenv(
        "PYTHONPATH", f"{ROOMS}{os.pathsep}{ROOT}"
    )  # the harness of this checkout, whatever is installed
    monkeypatch.syspath_prepend(ROOMS)
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in SHADOWED}
    place = Place(tmp_path / "here", control)
    yield place
    place.end()
    for name in [name for name in sys.modules if name.split(".")[0] in SHADOWED]:
        del sys.modules[name]
    sys.modules.update(hidden)
    catalog.catalog.cache_clear()


class Place:
    """Where a test works, and how it steers the fake rooms."""

    def __init__(self, folder, control):
        self.folder, self.control, self.store = folder, control, folder / "runs"
        self.processes = []

    def start(self, *arguments):
        """``harness ARGUMENTS --profile toy.yaml`` as a process of its own."""
        command = [sys.executable, "-m", "harness.cli", *arguments, "--profile", "toy.yaml"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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

    def executions(self):
        """(name, pid, first step) of every execution of a room so far."""
        file = self.control / "executions"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(name, int(pid), int(step)) for name, pid, step in map(str.split, lines)]

    def names(self):
        return sorted(name for name, _, _ in self.executions())

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


@pytest.fixture
def planned(place):
    """The plan of Table 1 on generated scenes of the fake rooms: three recipes, two runs each."""
    from harness.plan import Request, build

    request = Request(tables=("1",), profile="toy.yaml", store=Path("runs"))
    build(request).source.generate(lambda step, total, **numbers: None)
    return build(request)


@pytest.fixture
def staged(planned):
    """The plan of two recipes, one of which rests on the other: regions ← regional ← alike ← staged, two runs each."""
    from harness.plan import Request, build

    return build(Request(tables=("1",), profile="toy.yaml", recipes=("regional", "staged"), store=Path("runs")))
