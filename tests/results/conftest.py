"""A plan for Table 1 in every state that a cell can be in, in runs made by hand."""

import pytest

from results.layout import load
from results.table import Run, build


def make_run(recipe="byol", index=0, ap=50.0, **changes):
    """One VOC detection run, finished unless ``state`` says otherwise; AP50 and AP75 follow from AP."""
    finished = changes.get("state", "done") == "done"
    fields = {
        "recipe": recipe,
        "task": "voc_detection",
        "run": index,
        "state": "done",
        "metrics": {"AP": ap, "AP50": ap * 1.5, "AP75": ap * 1.125} if finished else {},
        "path": f"runs/transfer/{recipe}.voc_detection.r{index}",
        "key": f"{recipe}-{index}",
        "profile": "smoke",
        "data": "scenes",
        "tool": "torchvision 0.26.0",
        "device": "cpu",
        "curve": f"{recipe}-{index}" if finished else "",
    }
    return Run(**(fields | changes))


def make_table(runs, name="table1", **changes):
    arguments = {
        "expected": {"voc_detection": 5},
        "known_recipes": ["byol", "mocov2plus", "pixcon-sim", "pixcon-coord", "pixcon-sr", "random-init"],
        "known_tasks": ["voc_detection"],
        "profile": "smoke",
        "data": "generated scenes (seed 0)",
    }
    return build(load(name), runs, **(arguments | changes))


@pytest.fixture
def one():
    return make_run


@pytest.fixture
def table_of():
    return make_table


@pytest.fixture
def runs():
    return [
        *(make_run("byol", index, ap) for index, ap in enumerate([51.0, 52.5, 50.25, 51.75, 52.0])),
        *(make_run("mocov2plus", index, ap) for index, ap in enumerate([48.5, 49.0, 49.75])),
        make_run("mocov2plus", 3, state="failed"),
        make_run("mocov2plus", 4, state="running"),
        make_run("pixcon-sim", 0, 53.125),
        *(make_run("pixcon-coord", index, state="running" if index == 2 else "queued") for index in range(5)),
        *(make_run("pixcon-sr", index, state="failed" if index else "missing") for index in range(5)),
        *(make_run("random-init", index, ap) for index, ap in enumerate([6.5, 7.25, 6.0, 7.5, 6.875])),
    ]


@pytest.fixture
def table(runs):
    return make_table(runs)
