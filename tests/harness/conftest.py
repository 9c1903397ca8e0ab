"""Fake rooms that work in milliseconds, for this process and for the processes it starts."""

import signal
import sys
from pathlib import Path

import pytest
from place import ROOMS, RUNS_HERE, Place

from ground import catalog

SHADOWED = ("pretrain", "transfer", "fake_work")


@pytest.fixture(autouse=True)
def hears():
    """What a job or a keeper does to the signals of its process is undone in this one."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory; in it the harness sees the fake rooms."""
    place = Place(tmp_path / "here", tmp_path / "control")
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("FAKE_CONTROL", str(place.control))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the same keys on a machine with a GPU
    monkeypatch.setenv("PYTHONPATH", RUNS_HERE)
    monkeypatch.syspath_prepend(ROOMS)
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in SHADOWED}
    yield place
    place.end()
    for name in [name for name in sys.modules if name.split(".")[0] in SHADOWED]:
        del sys.modules[name]
    sys.modules.update(hidden)
    catalog.catalog.cache_clear()


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


@pytest.fixture
def runs(place, planned):
    """The store with the planned jobs written down, none of them begun."""
    from harness.store import Store

    runs = Store(place.store)
    for job in planned.jobs:
        runs.prepare(job)
    return runs
