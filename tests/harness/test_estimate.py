"""How long jobs take."""

from dataclasses import replace

import pytest

from harness.estimate import INITIAL_SECONDS, Estimates, duration
from harness.jobs import Job, Parent
from harness.profiles import Seconds

PARENT = Job(
    kind="pretrain", key="k", name="p", recipe="byol", task=None, input=None, run=None, seed=0, profile="smoke",
    overrides=(), tool=None, device_class="cpu", config={}, version=1, threads=1, data={}, parents={},
)  # fmt: skip


def child(recipe, run, parent):
    weights = {"weights": Parent("pretrain", parent, "k")}
    return replace(
        PARENT, kind="transfer", name=f"{recipe}.r{run}", recipe=recipe, task="voc", run=run, parents=weights
    )


JOBS = [
    PARENT,
    *(child("byol", run, "p") for run in range(2)),
    replace(PARENT, name="q", recipe="moco"),
    child("moco", 0, "q"),
]


def test_a_job_takes_what_the_likest_finished_one_took():
    estimates = Estimates(Seconds(pretrain=60, transfer=30))
    parent, first, second, _, other = JOBS
    assert (estimates.seconds(parent), estimates.seconds(first)) == (60, 30)
    assert not estimates.measured(first)
    estimates.add(other, 10)
    assert estimates.seconds(first) == 10
    for seconds in (4, 6, 20):
        estimates.add(second, seconds)
    assert (estimates.seconds(first), estimates.seconds(other)) == (6, 10)
    assert estimates.seconds(parent) == 60
    assert estimates.measured(first)
    assert not estimates.measured(parent)


def test_a_profile_may_guess_for_each_task_and_an_import_takes_next_to_nothing():
    estimates = Estimates(Seconds(pretrain=60, transfer=30, tasks={"voc": 90}))
    assert estimates.seconds(JOBS[1]) == 90
    assert estimates.seconds(replace(JOBS[1], task="coco")) == 30
    assert estimates.seconds(replace(PARENT, kind="import")) == INITIAL_SECONDS


def test_a_guess_for_a_task_is_stretched_as_those_for_other_tasks_were():
    """Or a machine with other work on it, or a slower one, is believed to be done with every new task at once."""
    estimates = Estimates(Seconds(pretrain=60, transfer=30, tasks={"voc": 20, "coco": 40, "city": 0}))
    coco = replace(JOBS[1], task="coco")
    for seconds in (50, 60, 90):
        estimates.add(JOBS[1], seconds)
    estimates.add(replace(JOBS[1], task="city"), 7)
    assert (estimates.seconds(coco), estimates.measured(coco)) == (120, False)
    assert estimates.seconds(replace(coco, config={"model": {"backbone": "resnet50"}})) == 40
    assert (estimates.seconds(replace(coco, task="ade")), estimates.seconds(PARENT)) == (30, 60)
    estimates.add(coco, 44)
    assert estimates.seconds(coco) == 44


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.42, "0.4 s"), (12, "12 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (59.7, "1 min 00 s")],
)
def test_durations_are_for_people(seconds, words):
    assert duration(seconds) == words


def test_a_job_that_trains_nothing_neither_teaches_nor_learns():
    estimates = Estimates(Seconds(pretrain=60, transfer=30))
    initial = replace(PARENT, name="i", recipe="random-init", config={"initial": True})
    assert estimates.seconds(initial) == 5
    estimates.add(initial, 2.4)
    assert (estimates.seconds(initial), estimates.seconds(PARENT)) == (2.4, 60)
    estimates.add(PARENT, 80)
    assert estimates.seconds(initial) == 2.4


def chain(*names):
    """Jobs that wait for each other in this order: pre-trainings named by a letter, inputs by a word."""
    jobs = []
    for name in names:
        kind = {"kind": "pretrain"} if len(name) == 1 else {"kind": "prepare", "config": {"kind": name}, "input": name}
        parents = {"any": jobs[-1].as_parent()} if jobs else {}
        jobs.append(replace(PARENT, name=name, recipe=name if len(name) == 1 else None, parents=parents, **kind))
    return [*jobs, child("b", 0, "b")]


def test_work_that_recipes_share_teaches_its_own_kind_first():
    estimates = Estimates(Seconds(pretrain=60, transfer=30, prepare=7))
    regions, _, alike, *_ = chain("regions", "a", "alike", "b")
    assert estimates.seconds(regions) == 7
    assert Seconds(pretrain=60, transfer=30).prepare > 0
    estimates.add(regions, 100)
    estimates.add(alike, 3)
    assert (estimates.seconds(regions), estimates.seconds(alike)) == (100, 3)
    assert estimates.seconds(replace(alike, name="other", input="alike of another")) == 3
    assert estimates.seconds(PARENT) == 60
