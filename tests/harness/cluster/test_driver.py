"""Passes over a plan against a stand-in for Slurm: what is submitted, what is judged, what is called off."""

from collections import Counter


def states(survey):
    """Name without key → state."""
    return {name.rpartition("-")[0]: each.state for name, each in survey.standings.items()}


def test_all_of_a_plan_is_submitted_at_once_and_children_wait_for_their_parents(drive, slurm, planned):
    done = drive().make()
    assert sorted(slurm.names()) == sorted(f"{job.kind}/{job.stem}" for job in planned.jobs)
    arrays = [(len(each.tasks), each.after) for each in slurm.calls]
    assert arrays[0] == (3, ())  # three pre-trainings ask for the same
    assert sorted(arrays[1:]) == [(2, ("100_0",)), (2, ("100_1",)), (2, ("100_2",))]
    assert set(states(done.survey).values()) == {"queued"}
    slurm.work()
    assert set(states(drive().make().survey).values()) == {"done"}


def test_a_pass_repeated_submits_nothing_twice(drive, slurm):
    for _ in range(3):
        drive().make()
    slurm.work()
    last = drive().make()
    assert max(Counter(slurm.names()).values()) == 1
    assert last.survey.settled
    assert drive().look().fresh == []


def test_a_parent_that_is_done_is_waited_for_no_more(drive, slurm, planned):
    drive(jobs=planned.jobs[:1]).make()
    slurm.work()
    drive().make()
    after = {task.name.rpartition("-")[0]: each.after for each in slurm.calls for task in each.tasks}
    assert after["transfer/voc_detection.byol.r0"] == ()
    assert len(after["transfer/voc_detection.pixcon-sr.r0"]) == 1


def test_arrays_are_no_longer_than_slurm_takes(drive, slurm):
    slurm.array_limit = 2
    drive().make()
    assert [len(each.tasks) for each in slurm.calls] == [2, 1, 2, 2, 2]


def test_the_profile_bounds_how_many_are_in_the_queue(drive, slurm, cluster):
    few = cluster.model_copy(update={"max_jobs": 4})
    assert [len(each.submitted) for each in (drive(cluster=few).make(), drive(cluster=few).make())] == [2, 0]
    assert len(slurm.entries) == 4
    while not drive(cluster=few).make().survey.settled:
        slurm.work()
    assert set(states(drive().look()).values()) == {"done"}


def test_a_parent_that_is_lost_takes_its_children_out_of_the_queue_and_all_are_submitted_anew(drive, slurm):
    slurm.ends["pretrain/byol.scenes.s0"] = ["NODE_FAIL"]
    drive().make()
    slurm.work()
    again = drive().make()
    assert again.called_off == 2
    names = Counter(slurm.names())
    assert {name for name, number in names.items() if number == 2} == {
        "pretrain/byol.scenes.s0", "transfer/voc_detection.byol.r0", "transfer/voc_detection.byol.r1",
    }  # fmt: skip
    assert slurm.calls[-1].after == (slurm.calls[-2].id_of(0),)
    assert slurm.calls[-1].request.exclude == ("n1",)
    slurm.work()
    assert set(states(drive().make().survey).values()) == {"done"}


def test_a_failure_that_stands_blocks_its_children_and_nothing_else(drive, slurm, place):
    place.fail("byol", "code")
    drive().make()
    slurm.work()
    last = drive().make()
    found = states(last.survey)
    assert (found["byol.scenes.s0"], found["voc_detection.byol.r0"]) == ("failed", "blocked")
    assert Counter(found.values()) == {"done": 6, "blocked": 2, "failed": 1}
    assert last.survey.settled
    assert max(Counter(slurm.names()).values()) == 1


def test_a_controller_that_is_away_is_waited_for(drive, slurm):
    slurm.ends["pretrain/byol.scenes.s0"] = ["FAILED"]
    drive().make()
    slurm.work()
    slurm.away = "Unable to contact slurm controller"
    before, waiting = len(slurm.calls), drive().make()
    assert (len(slurm.calls), waiting.called_off, waiting.survey.fresh) == (before, 0, [])
    assert not waiting.survey.settled
    left = [each for each in waiting.survey.standings.values() if each.state != "done"]
    assert {each.step.words for each in left} == {"Slurm does not answer"}
    assert len(left) == 3
