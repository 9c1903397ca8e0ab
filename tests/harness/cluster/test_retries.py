"""What comes next, by how earlier starts ended: with a queue that remembers and one that has forgotten."""

import errno
import json
import os
import time
from collections import Counter
from dataclasses import replace

import pytest

from ground.errors import ConfigError, StorageError
from harness import claims
from harness.cluster import rerun
from harness.endings import End
from harness.store import Store
from slurm.cluster import Kinds, Resources, Retries
from slurm.commands import Unavailable

BYOL = "pretrain/byol.scenes.s0"


@pytest.fixture
def one(planned):
    """The pre-training of BYOL alone."""
    return planned.jobs[:1]


def state(driver):
    (standing,) = driver.look().standings.values()
    return standing.state, standing.step.action


def why(driver):
    (standing,) = driver.look().standings.values()
    return standing.why


def passes(driver, slurm, number):
    for _ in range(number):
        driver.make()
        slurm.work()
    return driver.make()


def attempt(place, job, slurm, **end):
    """A start of a job that left its last word, and no record."""
    store = Store(place.store)
    claim = claims.acquire(store.directory(job) / "attempts")
    path = store.directory(job) / "attempts" / f"{claim.number:04d}"
    owner = json.loads(path.read_text())
    path.write_text(json.dumps({**owner, "slurm": slurm.calls[-1].id_of(0), "nodes": "n7"}))
    claim.end(End(**{"outcome": "stopped", "seconds": 1.0, **end}))


@pytest.mark.parametrize(
    ("word", "starts"),
    [("OUT_OF_MEMORY", 2), ("NODE_FAIL", 6), ("FAILED", 3), ("CANCELLED", 3)],
)
def test_a_class_is_tried_again_as_often_as_the_profile_says(drive, slurm, one, word, starts):
    slurm.ends[BYOL] = [word] * 20
    last = passes(drive(jobs=one), slurm, 8)
    assert len(slurm.calls) == starts
    assert last.settled
    assert state(drive(jobs=one)) == ("failed", "give up")


@pytest.mark.parametrize("word", ["PREEMPTED", "TIMEOUT"])
def test_what_is_nobodys_fault_goes_on_without_end(drive, slurm, one, cluster, word):
    slurm.ends[BYOL] = [word] * 12
    long = cluster.model_copy(update={"max_hours": 1000.0})  # each time limit is 24
    passes(drive(jobs=one, cluster=long), slurm, 13)
    assert len(slurm.calls) == 13
    assert state(drive(jobs=one, cluster=long)) == ("done", "none")


def test_out_of_memory_asks_for_more(drive, slurm, one, cluster):
    kinds = cluster.kinds.model_copy(update={"pretrain": cluster.kinds.pretrain.model_copy(update={"memory": "2G"})})
    more = cluster.model_copy(update={"kinds": kinds, "retries": Retries(memory=3)})
    slurm.ends[BYOL] = ["OUT_OF_MEMORY", "PREEMPTED", "OUT_OF_MEMORY"]
    passes(drive(jobs=one, cluster=more), slurm, 4)
    assert [each.request.memory_mb for each in slurm.calls] == [2048, 3072, 3072, 4608]


def test_a_queue_that_forgets_is_made_up_for_by_the_jobs_last_word(drive, slurm, one, place):
    driver = drive(jobs=one)
    driver.make()
    attempt(place, one[0], slurm, signal="SIGTERM")
    slurm.say("pretrain/byol", "ended", "whatever")
    slurm.forgets = True
    assert state(driver) == ("preempted", "submit")
    driver.make()
    (ending,) = driver.look().history.endings[f"pretrain/{one[0].name}"]
    assert (ending.outcome, ending.nodes) == ("preempted", "n7")


def test_a_job_whose_heart_still_seems_to_beat_is_not_given_to_another(drive, slurm, one, place, monkeypatch):
    driver = drive(jobs=one)
    driver.make()
    claim = claims.acquire(Store(place.store).directory(one[0]) / "attempts")
    slurm.say("pretrain/byol", "ended", "NODE_FAIL")
    assert state(driver) == ("running", "wait")
    monkeypatch.setattr(claims, "_state_and_start", lambda pid: ("R", "later"))
    assert state(driver) == ("interrupted", "submit")
    claim.rest()


def test_the_hours_of_all_attempts_are_bounded(drive, slurm, one, place, cluster):
    short = cluster.model_copy(update={"max_hours": 2.0})
    driver = drive(jobs=one, cluster=short)
    driver.make()
    attempt(place, one[0], slurm, signal="SIGTERM")
    slurm.say("pretrain/byol", "pending", "PENDING", "BeginTime", restarts=1)
    assert state(driver) == ("preempted", "wait")
    progress = Store(place.store).directory(one[0]) / "progress.json"
    progress.write_text(json.dumps({"seconds": 3 * 3600.0}))
    assert driver.make().called_off == 1
    assert state(driver) == ("failed", "give up")
    assert "3 h 00 min of work, and 2 h 00 min is the most" in next(iter(driver.look().standings.values())).why


def test_the_hours_of_what_slurm_requeues_by_itself_count(drive, slurm, one, place):
    driver = drive(jobs=one)
    driver.make()
    for _ in range(4):
        attempt(place, one[0], slurm, seconds=24 * 3600.0, signal="SIGTERM")
    assert state(driver) == ("queued", "wait")  # 96 hours are the most
    attempt(place, one[0], slurm, seconds=60.0, signal="SIGTERM")
    assert state(driver) == ("failed", "give up")
    assert "96 h 01 min of work, and 96 h 00 min is the most (`max_hours`" in why(driver)


def test_an_attempt_that_was_killed_without_a_word_counts_until_its_last_heartbeat(drive, slurm, one, place, cluster):
    driver = drive(jobs=one, cluster=cluster.model_copy(update={"max_hours": 2.0}))
    driver.make()
    for _ in range(2):
        claim = claims.acquire(Store(place.store).directory(one[0]) / "attempts")
        path = Store(place.store).directory(one[0]) / "attempts" / f"{claim.number:04d}"
        claim.rest()
        owner = json.loads(path.read_text())
        path.write_text(json.dumps({**owner, "pid": 0, "at": owner["at"] - 2 * 3600}))
    assert state(driver) == ("failed", "give up")
    assert "4 h 00 min of work" in why(driver)


@pytest.mark.parametrize("reported", [0.0, 97 * 3600.0])
def test_hours_of_before_a_pardon_are_forgiven_and_those_after_it_count(drive, slurm, one, place, reported):
    slurm.ends[BYOL] = ["PREEMPTED"] * 50
    driver = drive(jobs=one)
    driver.make()
    attempt(place, one[0], slurm, seconds=97 * 3600.0, signal="SIGTERM")
    progress = Store(place.store).directory(one[0]) / "progress.json"
    progress.write_text(json.dumps({"seconds": reported}))
    slurm.work()
    driver.make()
    assert state(driver) == ("failed", "give up")
    time.sleep(0.01)
    rerun.apply(drive(jobs=one), "retry")
    assert state(driver) == ("interrupted", "submit")
    driver.make()
    progress.write_text(json.dumps({"seconds": reported + 95 * 3600.0}))
    assert state(driver)[1] == "wait"
    progress.write_text(json.dumps({"seconds": reported + 97 * 3600.0}))
    assert state(driver) == ("failed", "give up")


def test_a_job_that_failed_for_itself_says_so_however_long_it_took(drive, slurm, one, place, cluster):
    place.fail("byol", "code")
    driver = drive(jobs=one, cluster=cluster.model_copy(update={"max_hours": 1e-9}))
    passes(driver, slurm, 1)
    assert state(driver) == ("failed", "give up")
    assert "a bug in byol" in why(driver)


def test_jobs_that_are_ended_at_their_limit_and_never_say_a_word_are_given_up_in_the_end(drive, slurm, one, cluster):
    slurm.ends[BYOL] = ["TIMEOUT"] * 20
    short = cluster.model_copy(update={"max_hours": 100.0})  # of 24 each
    last = passes(drive(jobs=one, cluster=short), slurm, 3)
    assert len(last.survey.history.endings) == 1
    assert last.settled is False
    place = Store(drive().store.root).directory(one[0])
    claims.acquire(place / "attempts").end(End("stopped", 1.0))
    passes(drive(jobs=one, cluster=short), slurm, 5)
    assert len(slurm.calls) == 5
    assert state(drive(jobs=one, cluster=short)) == ("failed", "give up")


def test_a_task_that_slurm_holds_back_after_a_bad_node_is_submitted_anew(drive, slurm, one):
    driver = drive(jobs=one)
    driver.make()
    slurm.say("pretrain/byol", "pending", "PENDING", "launch failed requeued held", restarts=1)
    assert (driver.make().called_off, len(slurm.calls)) == (1, 2)


def test_failures_are_counted_in_the_store_and_forgiven_when_somebody_asks(drive, slurm, one):
    slurm.ends[BYOL] = ["FAILED"] * 5
    for _ in range(5):  # another harness each time
        passes(drive(jobs=one), slurm, 1)
    assert len(slurm.calls) == 3
    time.sleep(0.01)
    rerun.apply(drive(jobs=one), "retry")
    assert state(drive(jobs=one))[1] == "submit"
    passes(drive(jobs=one), slurm, 3)
    assert state(drive(jobs=one)) == ("done", "none")


def test_a_mended_failure_is_done_again_when_somebody_asks(drive, slurm, one, place):
    place.fail("byol", "code")
    passes(drive(jobs=one), slurm, 2)
    place.mend("byol")
    assert (len(slurm.calls), state(drive(jobs=one))) == (1, ("failed", "give up"))
    rerun.apply(drive(jobs=one), "retry")
    passes(drive(jobs=one), slurm, 1)
    assert state(drive(jobs=one)) == ("done", "none")


def test_force_begins_anew_but_for_what_is_in_the_queue(drive, slurm, planned, place):
    passes(drive(jobs=planned.jobs[:2]), slurm, 1)
    third = planned.jobs_of("pixcon-sr", None)
    drive(jobs=third).make()
    lines = rerun.apply(drive(), "force")
    assert lines == ["1 jobs are in the queue, at work, or read from: they stay"]
    assert len(list((place.store / ".replaced").glob("*/*"))) == 2
    passes(drive(), slurm, 1)
    assert Counter(slurm.names())[BYOL] == 2
    assert Counter(slurm.names())["pretrain/pixcon-sr.scenes.s0"] == 1


def test_weights_that_are_gone_are_made_again_if_something_needs_them(drive, slurm, planned, place):
    passes(drive(jobs=planned.jobs[:1]), slurm, 1)
    weights = Store(place.store).directory(planned.jobs[0]) / "backbone.safetensors"
    weights.unlink()
    assert drive(jobs=planned.jobs[:1]).look().wanting("submit") == []
    passes(drive(jobs=planned.jobs[:2]), slurm, 1)
    assert weights.exists()
    assert slurm.names().count(BYOL) == 2


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"state": "FAILED", "reason": "JobLaunchFailure", "exit_code": "0:53"}, ""),
        ({"state": "FAILED", "reason": "NonZeroExitCode", "exit_code": "127:0"}, "127 1 n3"),
        ({}, "1 4 n3"),  # Slurm has forgotten it
    ],
)
def test_a_node_that_cannot_start_a_job_is_named_and_left_out(drive, slurm, one, place, said, left):
    driver = drive(jobs=one)
    driver.make()
    token = slurm.calls[0].token
    if left:
        folder = place.store / ".slurm" / token
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ended-0-0").write_text(f"{left}\n")
    slurm.entries[token, 0] = replace(slurm.entries[token, 0], phase="ended", nodes="n3" if said else "", **said)
    slurm.forgets = not said
    driver.make()
    assert slurm.calls[1].request.exclude == ("n3",)
    (ending,) = driver.look().history.endings[f"pretrain/{one[0].name}"]
    assert (ending.outcome, ending.nodes) == ("node", "n3")


def test_a_job_that_starts_before_its_parent_is_done_is_started_again(drive, slurm, planned, place, monkeypatch):
    pair = planned.jobs[:2]
    driver = drive(jobs=pair)
    driver.make()
    child = next(entry for entry in slurm.entries if slurm._of(slurm.entries[entry]).after)
    with monkeypatch.context() as inside:
        inside.setenv("SLURM_JOB_ID", "9")
        inside.setattr("harness.parents.PATIENCE_SECONDS", 0.0)
        slurm._start(child)
    passes(driver, slurm, 3)
    assert {each.state for each in driver.look().standings.values()} == {"done"}


def started_anew(place, job, slurm, restart, node):
    """A start of a job that was killed without a word; returns its claim at rest."""
    attempts = Store(place.store).directory(job) / "attempts"
    claim = claims.acquire(attempts)
    path = attempts / f"{claim.number:04d}"
    owner = {**json.loads(path.read_text()), "slurm": slurm.calls[0].id_of(0), "nodes": node, "restart": restart}
    path.write_text(json.dumps({**owner, "machine": "elsewhere"}))
    claim.rest()
    os.utime(path, (0, 0))


def test_a_node_that_took_a_start_along_counts_though_slurm_itself_starts_the_job_anew(drive, slurm, one, place):
    driver = drive(jobs=one)
    driver.make()
    started_anew(place, one[0], slurm, 0, "n3")
    slurm.say("pretrain/byol", "pending", "PENDING", "BeginTime", restarts=1)
    for _ in range(2):
        driver.make()
        (ending,) = driver.look().history.endings[f"pretrain/{one[0].name}"]
        assert (ending.outcome, ending.nodes, ending.restart) == ("node", "n3", 0)
        assert state(driver) == ("preempted", "wait")  # the task itself goes on
    slurm.say("pretrain/byol", "ended", "PREEMPTED", restarts=1)
    driver.make()
    assert slurm.calls[1].request.exclude == ("n3",)


def test_a_start_whose_batch_script_lived_to_tell_is_not_its_nodes_fault(drive, slurm, one, place):
    driver = drive(jobs=one)
    driver.make()
    started_anew(place, one[0], slurm, 0, "n3")
    folder = place.store / ".slurm" / slurm.calls[0].token
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ended-0-0").write_text("137 4000 n3\n")
    slurm.say("pretrain/byol", "pending", "PENDING", "BeginTime", restarts=1)
    assert driver.make().survey.history.endings == {}


@pytest.mark.parametrize(("advances", "starts"), [(True, 9), (False, 3)])
def test_a_job_that_comes_further_each_time_is_no_lost_cause(drive, slurm, one, place, advances, starts):
    slurm.ends[BYOL] = ["FAILED"] * 20
    driver = drive(jobs=one)
    for number in range(8):
        driver.make()
        slurm.work()
        directory = Store(place.store).directory(one[0])
        (directory / "progress.json").write_text(json.dumps({"step": 100 * (number + 1) if advances else 100}))
    driver.make()
    assert len(slurm.calls) == starts


def test_a_bad_node_is_left_out_unless_nothing_else_is_there(drive, slurm, one):
    slurm.ends[BYOL] = ["NODE_FAIL"]
    driver = drive(jobs=one)
    passes(driver, slurm, 1)
    submit, asked = slurm.submit, []

    def few(home, cluster, request, *rest, **more):
        asked.append(request.exclude)
        if request.exclude:
            raise ConfigError("sbatch", "Requested node configuration is not available", "Mend it.")
        return submit(home, cluster, request, *rest, **more)

    slurm.submit = few
    slurm.ends[BYOL] = ["NODE_FAIL"]
    passes(driver, slurm, 1)
    assert asked == [("n1",), ()]


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
