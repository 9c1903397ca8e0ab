"""Harnesses at once, and harnesses that are killed."""

import threading
from collections import Counter

import pytest


class Killed(BaseException):
    """As if the process had been killed: nobody catches it."""


def test_harnesses_at_once_submit_no_job_twice(drive, slurm):
    """Each has seen that nothing is in the queue before any of them submits; who comes second looks again."""
    slurm.array_limit = 1
    together, seen = threading.Barrier(4), set()

    def known(home):
        found = list(slurm.submissions)
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            together.wait(timeout=30)
        return found

    drive().surveyor.home.try_writing()  # a store that was never used is not asked
    slurm.known = known
    threads = [threading.Thread(target=drive().make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(seen) == 4
    assert len(slurm.calls) == 9
    assert max(Counter(slurm.names()).values()) == 1


@pytest.mark.parametrize("calls", range(1, 10))
def test_a_harness_killed_after_any_sbatch_neither_loses_nor_doubles_a_job(drive, slurm, calls):
    slurm.array_limit = 1

    def kill(submission):
        if len(slurm.calls) == calls:
            raise Killed

    slurm.after_sbatch = kill
    with pytest.raises(Killed):
        drive().make()
    slurm.after_sbatch = lambda submission: None
    slurm.work()
    drive().make()
    slurm.work()
    last = drive().make()
    assert last.settled
    assert {each.state for each in last.survey.standings.values()} == {"done"}
    assert max(Counter(slurm.names()).values()) == 1


def test_a_harness_killed_while_it_calls_off_does_not_count_that_as_a_failure(drive, slurm, monkeypatch):
    slurm.ends["pretrain/byol.scenes.s0"] = ["NODE_FAIL"]
    drive().make()
    slurm.work()
    cancel = slurm.cancel

    def kill(ids):
        cancel(ids)
        raise Killed

    slurm.cancel = kill
    with pytest.raises(Killed):
        drive().make()
    slurm.cancel = cancel
    last = drive().make()
    outcomes = Counter(each.outcome for endings in last.survey.history.endings.values() for each in endings)
    assert outcomes == {"done": 6, "orphan": 2, "node": 1}
    slurm.work()
    assert {each.state for each in drive().make().survey.standings.values()} == {"done"}
