"""In what order, and when it ends."""

import random
from dataclasses import replace

import pytest

from harness.jobs import Job, Parent
from harness.schedule import lower_bound, order, play, wall_clock

PRETRAIN = Job(
    kind="pretrain", key="k", name="", recipe="byol", task=None, input=None, run=None, seed=0, profile="smoke",
    overrides=(), tool=None, device_class="cpu", config={}, version=1, threads=1, data={}, parents={},
)  # fmt: skip


def job(name, *parents, run=None, kind="pretrain"):
    """A pre-training, or with ``run`` a fine-tuning."""
    roles = {parent: Parent("pretrain", parent, "k") for parent in parents}
    task, kind = (None, kind) if run is None else ("voc", "transfer")
    return replace(PRETRAIN, kind=kind, name=name, task=task, run=run, parents=roles)


JOBS = [job("p"), job("p.r0", "p", run=0), job("p.r1", "p", run=1), job("q"), job("q.r0", "q", run=0)]
CHAIN = [job("far"), job("regions"), job("a", "regions"), job("alike", "a"), job("b", "alike"), job("b.r", "b", run=0)]


def seconds(jobs, each=10.0, **others):
    return {job.name: others.get(job.name, each) for job in jobs}


def names(jobs):
    return [job.name for job in jobs]


def test_what_holds_up_most_work_starts_first_and_repeats_go_round():
    assert names(order(JOBS, seconds(JOBS))) == ["p", "q", "p.r0", "q.r0", "p.r1"]
    assert names(order(JOBS, seconds(JOBS, q=100)))[:2] == ["q", "p"]


def test_what_holds_up_a_long_chain_starts_first():
    takes = seconds(CHAIN, far=35)
    assert names(order(CHAIN, takes)) == ["regions", "a", "far", "alike", "b", "b.r"]
    assert order(CHAIN, seconds(CHAIN, far=55))[0].name == "far"
    assert [wall_clock(CHAIN, takes, workers) for workers in (1, 2)] == [85, 50]
    assert wall_clock(CHAIN[3:], takes, 2) == 30


def test_a_job_that_another_needs_by_two_ways_is_held_up_by_it_once():
    jobs = [job("top"), job("left", "top"), job("right", "top"), job("low", "left", "right"), job("lone")]
    assert names(order(jobs, seconds(jobs, lone=41)))[0] == "lone"
    assert names(order(jobs, seconds(jobs, lone=39)))[0] == "top"


@pytest.mark.parametrize(("workers", "expected"), [(1, 50), (2, 30), (5, 20)])
def test_the_schedule_is_played(workers, expected):
    assert wall_clock(JOBS, seconds(JOBS), workers) == expected


def test_a_parent_that_is_finished_holds_nobody_up():
    assert wall_clock(JOBS[1:3], seconds(JOBS), 2) == 10
    assert wall_clock([], {}, 2) == 0


def test_a_job_of_several_units_waits_for_them_and_is_not_overtaken_for_long():
    jobs = [job("long"), job("wide"), job("short"), job("late")]
    takes = {"long": 10, "wide": 5, "short": 8, "late": 12}
    ends = play(jobs, takes, 2, {"wide": 2})
    assert ends == {"long": 10, "short": 8, "wide": 15, "late": 27}


def test_who_leaves_room_for_the_first_in_line_may_run_beside_it():
    jobs = [job("long"), job("wide"), job("late"), job("later")]
    ends = play(jobs, {"long": 10, "wide": 5, "late": 12, "later": 12}, 4, {"long": 2, "wide": 3})
    assert ends == {"long": 10, "late": 12, "wide": 15, "later": 24}


def test_a_job_of_no_unit_starts_at_once():
    jobs = [job("wide"), job("import", kind="import"), job("run", "import", run=0)]
    assert play(jobs, seconds(jobs), 4, {"wide": 4, "import": 0}) == {"wide": 10, "import": 10, "run": 20}


def test_a_job_that_wants_more_than_there_is_is_refused():
    with pytest.raises(ValueError, match="takes 9 of 8"):
        play([job("p")], {"p": 1.0}, 8, {"p": 9})


def drawn(numbers, count):
    """A plan of pre-trainings and fine-tunings, seconds and units."""
    jobs = [job(f"p{index}") for index in range(count)]
    jobs += [job(f"t{index}", f"p{numbers.randrange(count)}", run=index) for index in range(4 * count)]
    takes = {each.name: float(numbers.randint(1, 9)) for each in jobs}
    return jobs, takes, {each.name: numbers.choice((1, 2, 4)) if each.task is None else 1 for each in jobs}


@pytest.mark.parametrize("draw", range(8))
def test_a_schedule_holds_to_parents_and_room_and_never_beats_the_bound(draw):
    jobs, takes, units = drawn(random.Random(draw), 12)
    ends = play(order(jobs, takes), takes, 5, units)
    begins = {name: end - takes[name] for name, end in ends.items()}
    assert ends.keys() == {each.name for each in jobs}
    assert all(begins[each.name] >= ends[parent.name] for each in jobs for parent in each.parents.values())
    for moment in begins.values():
        assert sum(units[name] for name in ends if begins[name] <= moment < ends[name]) <= 5
    assert max(ends.values()) >= lower_bound(jobs, takes, 5, units)
    assert max(play(order(jobs, takes), takes, 10**6, units).values()) == lower_bound(jobs, takes, 10**6, units)


def test_the_bound_is_the_longest_chain_or_all_work():
    assert lower_bound(JOBS, seconds(JOBS), 100, seconds(JOBS, each=1)) == 20
    assert lower_bound(JOBS, seconds(JOBS, q=100), 2, seconds(JOBS, each=1)) == 110
    assert lower_bound(JOBS, seconds(JOBS), 2, seconds(JOBS, each=2)) == 50


class Counted(dict):
    """Seconds that know how often they were asked for."""

    asked = 0

    def __getitem__(self, name):
        self.asked += 1
        return super().__getitem__(name)


@pytest.mark.parametrize("count", [200, 2000])
def test_work_grows_with_the_number_of_jobs(count):
    jobs, takes, units = drawn(random.Random(1), count)
    counted = Counted(takes)
    ends = play(order(jobs, counted), counted, 16, units)
    assert len(ends) == 5 * count
    assert counted.asked <= 6 * len(jobs)
