"""How long, and in what order."""

from dataclasses import replace

import pytest

from harness.estimate import Estimates, duration, order, wall_clock
from harness.jobs import Job
from harness.profiles import Seconds

PARENT = Job(
    kind="pretrain", key="k", name="p", recipe="byol", task=None, run=None, seed=0, profile="smoke", overrides=(),
    tool=None, device_class="cpu", config={}, version=1, threads=1, data={}, parent=None, parent_key=None,
)  # fmt: skip


def child(recipe, run, parent):
    return replace(PARENT, kind="transfer", name=f"{recipe}.r{run}", recipe=recipe, task="voc", run=run, parent=parent)


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


def test_what_holds_up_most_work_starts_first_and_repeats_go_round():
    seconds = {job.name: 10.0 for job in JOBS}
    assert [job.name for job in order(JOBS, seconds)] == ["p", "q", "byol.r0", "moco.r0", "byol.r1"]
    assert [job.name for job in order(JOBS, {**seconds, "q": 100})][:2] == ["q", "p"]


@pytest.mark.parametrize(("workers", "expected"), [(1, 50), (2, 30), (5, 20)])
def test_the_schedule_is_played(workers, expected):
    assert wall_clock(JOBS, {job.name: 10.0 for job in JOBS}, workers) == expected


def test_a_parent_that_is_finished_holds_nobody_up():
    assert wall_clock(JOBS[1:3], {job.name: 10.0 for job in JOBS}, 2) == 10
    assert wall_clock([], {}, 2) == 0


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
