"""What Slurm or the disk does not take: said, and neither lost nor asked for again and again."""

import errno
import os
import time
from collections import Counter

import pytest
from driving import BYOL, passes, state, why

from ground.errors import ConfigError, StorageError
from harness.cluster import rerun
from slurm.cluster import Kinds, Resources, Retries
from slurm.commands import Unavailable


def test_what_slurm_refuses_is_said_once_and_the_rest_goes_on(drive, slurm, planned):
    submit = slurm.submit

    def choosy(home, cluster, request, tasks, *rest, **more):
        if any("byol.scenes" in each.name for each in tasks):
            raise ConfigError("sbatch", "Slurm says: no", "Mend it.")
        return submit(home, cluster, request, tasks, *rest, **more)

    slurm.submit, slurm.array_limit = choosy, 1
    driver = drive()
    done = driver.make()
    assert [name.rpartition("-")[0] for name in done.refused] == ["byol.scenes.s0"]
    assert not done.settled
    slurm.work()
    done = driver.make()
    assert (len(slurm.calls), done.settled, done.refused) == (6, True, {})
    states = Counter(each.state for each in done.survey.standings.values())
    assert states == {"done": 6, "failed": 1, "blocked": 2}
    told = "Slurm does not take it (the next harness run asks again): sbatch: Slurm says: no"
    assert told in done.survey.standings[planned.jobs[0].name].why
    slurm.submit = submit
    drive().make()  # whoever runs later asks again
    assert len(slurm.calls) > 6


def greedy(cluster, **more):
    """A profile whose pre-trainings ask for 90 GiB."""
    pretrain = Resources(gpus=0, memory="90G")
    return cluster.model_copy(update={"kinds": Kinds(pretrain=pretrain), **more})


def test_more_memory_than_slurm_gives_is_a_failure_that_everybody_sees(drive, slurm, one, cluster):
    submit = slurm.submit

    def small(home, cluster, request, *rest, **more):
        if request.memory_mb > 100 * 1024:
            raise ConfigError("sbatch", "Slurm says: Memory specification can not be satisfied", "Mend it.")
        return submit(home, cluster, request, *rest, **more)

    slurm.submit = small
    slurm.ends[BYOL] = ["OUT_OF_MEMORY"]
    driver = drive(jobs=one, cluster=greedy(cluster))
    last = passes(driver, slurm, 2)
    assert (last.settled, state(driver)) == (True, ("failed", "give up"))
    assert state(drive(jobs=one, cluster=greedy(cluster), since=0.0)) == ("failed", "give up")  # harness status
    assert "Memory specification can not be satisfied" in why(driver)
    time.sleep(0.01)
    again = drive(jobs=one, cluster=greedy(cluster))
    rerun.apply(again, "retry")
    passes(again, slurm, 1)
    assert [each.request.memory_mb for each in slurm.calls] == [90 * 1024, 90 * 1024]


def test_memory_is_raised_to_what_a_node_has_and_then_it_is_given_up(drive, slurm, one, cluster):
    whole = greedy(cluster, memory_per_node="100G", retries=Retries(memory=5))
    slurm.ends[BYOL] = ["OUT_OF_MEMORY"] * 5
    driver = drive(jobs=one, cluster=whole)
    passes(driver, slurm, 3)
    assert [each.request.memory_mb for each in slurm.calls] == [90 * 1024, 100 * 1024]
    assert state(driver) == ("failed", "give up")
    assert "asked for all the memory of a node (`memory_per_node`: 100G)" in why(driver)


def test_a_queue_that_is_full_for_us_is_tried_again(drive, slurm):
    submit, slurm.array_limit = slurm.submit, 1

    def full(*arguments, **more):
        if len(slurm.calls) >= 2:
            raise Unavailable("sbatch", "Slurm says: QOSMaxSubmitJobPerUserLimit", "Wait.")
        return submit(*arguments, **more)

    slurm.submit = full
    done = drive().make()
    assert (len(done.submitted), "QOSMaxSubmit" in done.note, done.settled) == (2, True, False)
    slurm.submit = submit
    assert len(drive().make().submitted) == 7


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_store_that_takes_no_file_is_refused_before_anything_is_submitted(drive, slurm, monkeypatch, number):
    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("harness.cluster.home.os.fsync", full)
    with pytest.raises(StorageError, match=os.strerror(number)):
        drive().make()
    assert slurm.calls == []


def test_a_file_in_the_place_of_a_folder_is_named(drive, place):
    place.store.mkdir()
    (place.store / ".slurm").write_text("in the way")
    with pytest.raises(StorageError, match=r"\.slurm"):
        drive().make()
