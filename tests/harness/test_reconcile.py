"""Driving a plan, with jobs done at once in this process: what is started, in what order, and what is given up."""

import os
import signal
from pathlib import Path

import pytest

from harness import claims, policy, worker
from harness.estimate import Estimates
from harness.reconcile import Reconciler
from harness.store import Store


class Done:
    """A job that has ended already."""

    stdout = Path("no such file")

    def __init__(self, stderr):
        self.stderr = stderr

    def done(self):
        return True


class Inline:
    """An executor whose jobs are over when ``submit`` returns; ``killed`` ones end before they do anything."""

    def __init__(self, place, killed=(), room=1):
        self.killed, self.room, self.started, self.stopped = dict(killed), room, [], False
        self.stderr = place.folder / "stderr"
        self.stderr.write_text("last words\n")

    def free(self):
        return self.room

    def submit(self, function, directory, *over, environment):
        assert (function, environment["OMP_NUM_THREADS"]) == ("harness.worker:main", "1")
        name = Path(directory).name.rpartition("-")[0]
        self.started.append(name)
        if self.killed.get(name, 0) > 0:
            self.killed[name] -= 1
        else:
            worker.execute(Path(directory), *map(int, over))
        return Done(self.stderr)

    def stop(self, grace_seconds):
        self.stopped = True


class Diary:
    """Writes down what it is told."""

    def __init__(self, on_start=lambda job: None):
        self.ends, self.on_start, self.stops = [], on_start, 0

    def started(self, job, starts):
        self.on_start(job)

    def ended(self, job, look):
        self.ends.append((job.title, look.state))

    def tick(self, running, left):
        pass

    def stopping(self):
        self.stops += 1


@pytest.fixture
def drive(place, planned, monkeypatch):
    monkeypatch.setattr("harness.reconcile.TICK_SECONDS", 0)
    monkeypatch.setattr("harness.reconcile.ELSEWHERE_SECONDS", 0)

    def drive(executor=None, diary=None, jobs=planned.jobs):
        reconciler = Reconciler(Store(place.store), jobs, Estimates(planned.profile.seconds))
        executor = executor or Inline(place)
        if reconciler.survey():
            reconciler.run(executor, diary or Diary())
        return reconciler.result, executor.started

    return drive


def fake_owner_dies(monkeypatch):
    """What this process has claimed so far was claimed by a process that is no more."""
    monkeypatch.setattr(claims, "_state_and_start", lambda pid: ("R", "later"))


def test_everything_is_done_once_parents_first(drive, planned, place):
    result, started = drive()
    assert len(result.done) == len(started) == 9
    assert set(started[:3]) == {"byol.scenes.s0", "pixcon-sr.scenes.s0", "random-init.s0"}
    assert started[3:] == [
        "voc_detection.byol.r0", "voc_detection.pixcon-sr.r0", "voc_detection.random-init.r0",
        "voc_detection.byol.r1", "voc_detection.pixcon-sr.r1", "voc_detection.random-init.r1",
    ]  # fmt: skip
    again, nothing = drive()
    assert (len(again.done), nothing) == (9, [])


def test_what_is_left_is_told_before_anything_starts(drive, planned):
    """Or the first lines of a harness that goes on say that nothing is done."""

    class Left(Diary):
        left: tuple = ()

        def tick(self, running, left):
            self.left = left

    drive(jobs=planned.jobs[:3])
    diary, seen = Left(), []
    diary.on_start = lambda job: seen.append(len(diary.left))
    drive(diary=diary)
    assert (len(planned.jobs), seen[0]) == (9, 6)


def test_transfers_fill_workers_that_no_pretraining_needs(drive, place):
    """With one recipe's parent still to come, the others' children do not wait for it."""
    _, started = drive(Inline(place, killed={"random-init.s0": 2}, room=2))
    assert started.index("voc_detection.byol.r0") < len(started) - 1 - started[::-1].index("random-init.s0")


def test_a_failed_job_stops_only_what_waits_for_it(drive, place):
    place.fail("byol", "data")
    place.fail("pixcon-sr.r1", "code")
    diary = Diary()
    result, _ = drive(diary=diary)
    assert sorted(name.rpartition("-")[0] for name in result.failed) == ["byol.scenes.s0", "voc_detection.pixcon-sr.r1"]
    assert sorted(name.rpartition("-")[0] for name in result.blocked) == [
        "voc_detection.byol.r0",
        "voc_detection.byol.r1",
    ]
    assert len(result.done) == 5
    assert ("pretrain byol", "failed") in diary.ends


def test_a_killed_job_is_started_again_but_not_for_ever(drive, place, planned):
    executor = Inline(place, killed={"byol.scenes.s0": 2, "voc_detection.pixcon-sr.r0": 3})
    result, started = drive(executor)
    assert started.count("byol.scenes.s0") == 3
    assert started.count("voc_detection.pixcon-sr.r0") == 3
    (name,) = result.failed
    assert name.startswith("voc_detection.pixcon-sr.r0")
    assert "killed" in result.failed[name].reason
    assert (place.store / "transfer" / name / "log.txt").read_text() == "last words\n"
    assert len(result.done) == 8


def test_failures_stand_unless_asked_for(drive, place, planned, monkeypatch):
    place.fail("byol", "code")
    drive()
    place.mend("byol")
    store = Store(place.store)
    policy.apply(store, planned.jobs, "missing")
    result, started = drive()
    assert (len(result.failed), len(result.blocked), started) == (1, 2, [])
    policy.apply(store, planned.jobs, "never")
    assert drive()[1] == []
    fake_owner_dies(monkeypatch)
    policy.apply(store, planned.jobs, "retry")
    result, started = drive()
    assert (len(result.done), len(started)) == (9, 3)


def test_a_full_disk_is_tried_again_by_itself(drive, place, planned, monkeypatch):
    place.fail("byol", "storage")
    assert len(drive()[0].failed) == 1
    place.mend("byol")
    fake_owner_dies(monkeypatch)
    policy.apply(Store(place.store), planned.jobs, "missing")
    assert len(drive()[0].done) == 9


def test_force_does_all_again_from_the_beginning_and_keeps_the_old(drive, place, planned):
    drive()
    before = {job.name: Store(place.store).look(job).record["metrics"] for job in planned.jobs}
    policy.apply(Store(place.store), planned.jobs, "force")
    result, started = drive()
    assert len(started) == 9
    assert {name: look.record["metrics"] for name, look in result.done.items()} == before
    assert len(list((place.store / ".replaced" / "transfer").iterdir())) == 6
    assert {step for _, _, step in place.executions()} == {0}


def test_a_running_job_is_not_forced(place, planned):
    store = Store(place.store)
    store.prepare(planned.jobs[0])
    claim = claims.acquire(store.directory(planned.jobs[0]) / "attempts")
    policy.apply(store, planned.jobs, "force")
    assert store.look(planned.jobs[0]).state == "running"
    claim.rest()


def test_weights_that_are_gone_are_made_again_only_if_needed(drive, place, planned):
    drive()
    store = Store(place.store)
    (store.directory(planned.jobs[0]) / "backbone.safetensors").unlink()
    assert drive()[1] == []
    (store.directory(planned.jobs[1]) / "record.json").unlink()
    for job in planned.jobs[:2]:
        for claim in (store.directory(job) / "attempts").iterdir():
            claim.unlink()
    survey = Reconciler(store, planned.jobs, Estimates(planned.profile.seconds)).survey()
    assert [job.name for job in survey] == [planned.jobs[0].name, planned.jobs[1].name]
    assert store.look(planned.jobs[0]).state == "done"  # a survey alone changes nothing
    result, started = drive()
    assert started == ["byol.scenes.s0", "voc_detection.byol.r0"]
    assert any("is gone" in line for line in result.problems)
    assert len(result.done) == 9


def test_a_broken_record_is_reported_and_done_again(drive, place, planned):
    drive()
    path = Store(place.store).directory(planned.jobs[1]) / "record.json"
    path.write_text("{")
    for claim in (path.parent / "attempts").iterdir():
        claim.unlink()
    result, started = drive()
    assert started == ["voc_detection.byol.r0"]
    assert any(str(path) in line for line in result.problems)
    assert len(result.done) == 9


def test_a_job_that_runs_elsewhere_is_waited_for(drive, place, planned, monkeypatch):
    store, job = Store(place.store), planned.jobs[0]
    store.prepare(job)
    claim = claims.acquire(store.directory(job) / "attempts")

    class Elsewhere(Diary):
        """Another process finishes the job as soon as it is seen at work there."""

        def tick(self, running, left):
            if [each.job.name for each in running if each.elsewhere] == [job.name] and claim.holds():
                claim.release()
                worker.execute(store.directory(job))

    result, started = drive(diary=Elsewhere())
    assert "byol.scenes.s0" not in started
    assert len(result.done) == 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_leaves_the_rest_for_later(drive, place, number):
    diary = Diary(on_start=lambda job: os.kill(os.getpid(), number))
    executor = Inline(place)
    result, started = drive(executor, diary)
    assert (result.signal, executor.stopped, diary.stops) == (number, True, 1)
    assert len(started) < 9
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    result, more = drive()
    assert len(result.done) == 9
    assert len(started) + len(more) == 9


def stems(names):
    return sorted(name.rpartition("-")[0] for name in names)


def test_a_chain_is_done_in_order_and_shared_work_once(drive, staged):
    result, started = drive(jobs=staged.jobs)
    assert started[:4] == ["regions.scenes", "regional.scenes.s0", "alike.regional", "staged.scenes.s0"]
    assert len(started) == len(result.done) == 8
    assert drive(jobs=staged.jobs)[1] == []


@pytest.mark.parametrize(
    ("stage", "failed", "done"), [("regions", "regions.scenes", 0), ("alike", "alike.regional", 4)]
)
def test_a_stage_that_fails_blocks_all_below_and_is_named_by_it(drive, place, staged, stage, failed, done):
    place.fail(stage, "code")
    result, _ = drive(jobs=staged.jobs)
    assert stems(result.failed) == [failed]
    assert len(result.done) == done
    assert len(result.blocked) == 7 - done
    assert set(result.blocked.values()) == set(result.failed)
    later, started = drive(jobs=staged.jobs)  # the failure is found, not made
    assert (later.blocked, started) == (result.blocked, [])


def nobody_has(store, job):
    """As if the process that did ``job`` were gone, and its record with it."""
    (store.directory(job) / "record.json").unlink()
    for claim in (store.directory(job) / "attempts").iterdir():
        claim.unlink()


def test_only_what_is_gone_and_needed_is_made_again_along_a_chain(drive, place, staged, monkeypatch):
    drive(jobs=staged.jobs)
    store, by_title = Store(place.store), {job.title: job for job in staged.jobs}
    for title in ("prepare regions scenes", "prepare alike regional"):
        (store.directory(by_title[title]) / "seen.txt").unlink()
    assert drive(jobs=staged.jobs)[1] == []
    nobody_has(store, by_title["pretrain staged"])
    fake_owner_dies(monkeypatch)
    result, started = drive(jobs=staged.jobs)
    assert started == ["regions.scenes", "alike.regional", "staged.scenes.s0"]
    assert sum("seen.txt: is gone" in line for line in result.problems) == 2
    assert len(result.done) == 8


def test_a_damaged_file_is_made_again_once_it_is_deleted(drive, place, staged, monkeypatch):
    drive(jobs=staged.jobs[:1])
    store, regions = Store(place.store), staged.jobs[0]
    good = (store.directory(regions) / "regions.txt").read_text()
    (store.directory(regions) / "regions.txt").write_text("damaged")
    result, _ = drive(jobs=staged.jobs)
    (failure,) = [look for name, look in result.failed.items() if name.startswith("regional")]
    assert "Delete it. Run again with --rerun retry" in failure.reason
    (store.directory(regions) / "regions.txt").unlink()
    fake_owner_dies(monkeypatch)
    policy.apply(store, staged.jobs, "retry")
    result, started = drive(jobs=staged.jobs)
    assert (started[0], len(result.done)) == ("regions.scenes", 8)
    assert (store.directory(regions) / "regions.txt").read_text() == good


def test_force_leaves_what_a_running_job_of_any_plan_reads(drive, place, staged):
    drive(jobs=staged.jobs)
    store, by_title = Store(place.store), {job.title: job for job in staged.jobs}
    nobody_has(store, by_title["pretrain staged"])
    claim = claims.acquire(store.directory(by_title["pretrain staged"]) / "attempts")
    policy.apply(store, [job for job in staged.jobs if job.recipe != "staged"], "force")
    assert store.names("prepare") == sorted(job.name for job in staged.jobs if job.kind == "prepare")
    assert store.names("pretrain") == [by_title["pretrain staged"].name]
    claim.release()
    policy.apply(store, staged.jobs, "force")
    assert store.names("prepare") == []
    assert len(drive(jobs=staged.jobs)[1]) == 8
