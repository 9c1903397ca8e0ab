"""The table of a plan's jobs."""

from pathlib import Path

import pytest

from harness import plan_text, status
from harness.estimate import Estimates
from harness.plan import Request, build
from harness.profiles import Seconds
from harness.store import Store


@pytest.fixture
def told(planned):
    def words(seeds=1):
        plan = build(Request(tables=("1",), profile="toy.yaml", pretrainings=seeds))
        looks = status.survey(Store(Path("runs")), plan.jobs)
        return plan_text.groups(plan, looks, Estimates(Seconds(pretrain=60, transfer=30)))

    return words


def test_every_recipe_and_task_has_a_line(told):
    lines = told()
    assert len(lines) == 1 + 3 * 2
    assert [line.split() for line in lines if "byol" in line] == [
        ["missing", "byol", "pretrain", "1", "min", "00", "s", "guess"],
        ["missing", "byol", "voc_detection", "0", "1", "30", "s", "guess"],
    ]


def test_repeats_of_several_pretrainings_are_counted(told):
    (line,) = [line for line in told(seeds=40) if "byol" in line and "voc" in line]
    assert "0 1 (×40)" in line


def test_a_long_plan_has_a_line_for_each_task(told, monkeypatch):
    monkeypatch.setattr(plan_text, "LONG", 5)
    lines = told(seeds=2)
    assert [line.split()[:4] for line in lines[1:3]] == [
        ["missing", "3", "pretrain", "6"],
        ["missing", "3", "voc_detection", "12"],
    ]
    assert "5.0 s to 1 min 00 s" in lines[1]
    assert "--only RECIPE" in lines[-1]
