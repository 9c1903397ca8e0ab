"""The whole harness in real processes: two at once, and each of them killed in the middle."""

import json
import os
import signal

import pytest


@pytest.fixture(scope="module")
def undisturbed():
    """Selection → metrics by run name, as an undisturbed run gave them (filled by the first test that needs it)."""
    return {}


ONE = ("--only", "byol", "--workers", "2")
STAGED = ("--only", "regional,staged", "--workers", "2")


def metrics(place):
    found = {}
    for path in place.store.glob("*/*/record.json"):
        record = json.loads(path.read_text())
        assert record["status"] == "done"
        found[record["name"]] = record["metrics"]
    return found


def reference(place, undisturbed, selection=ONE):
    """The numbers of the same plan run in another store, once for all tests."""
    if selection not in undisturbed:
        code, _, errors = place.harness("run", "1", "--store", "reference", *selection)
        assert code == 0, errors
        records = [json.loads(path.read_text()) for path in (place.folder / "reference").glob("*/*/record.json")]
        undisturbed[selection] = {record["name"]: record["metrics"] for record in records}
        (place.control / "executions").unlink()  # of what is looked at from here on
    return undisturbed[selection]


def execution(place, name):
    """The pid of the process that works on ``name`` now."""
    return place.wait_until(lambda: next((pid for each, pid, _ in reversed(place.executions()) if each == name), None))


def test_two_harnesses_share_one_store_and_no_job_runs_twice(place):
    arguments = ("run", "1", "--only", "byol,pixcon-sr", "--workers", "2")
    both = [place.start(*arguments) for _ in range(2)]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert all("6 jobs: 6 done" in errors for _, errors in ends)
    assert place.names() == ["byol", "byol.r0", "byol.r1", "pixcon-sr", "pixcon-sr.r0", "pixcon-sr.r1"]
    assert len(metrics(place)) == 6


def test_a_killed_job_goes_on_within_the_same_run_and_ends_in_the_same_bits(place, undisturbed):
    expected = reference(place, undisturbed)
    place.hold("byol")
    harness = place.start("run", "1", *ONE)
    pid = execution(place, "byol")
    checkpoint = place.directory("pretrain", "byol") / "checkpoint.json"
    place.wait_until(lambda: checkpoint.exists() and json.loads(checkpoint.read_text())[0] == 3)
    os.kill(pid, signal.SIGKILL)
    place.wait_until(lambda: place.names().count("byol") == 2)
    place.let_go("byol")
    _, errors = harness.communicate(timeout=120)
    assert harness.returncode == 0, errors
    assert "interrupted" in errors
    assert [step for name, _, step in place.executions() if name == "byol"] == [0, 3]
    assert metrics(place) == expected


def test_a_killed_harness_leaves_its_jobs_at_work_and_the_next_one_waits_for_them(place, undisturbed):
    expected = reference(place, undisturbed)
    place.hold("byol")
    first = place.start("run", "1", *ONE)
    pid = execution(place, "byol")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert place.alive(pid)
    assert place.harness("status", "--only", "byol")[1].count("▶ running") == 2  # in the matrix and in its legend
    second = place.start("run", "1", *ONE)
    place.wait_until(lambda: len(list((place.store / ".drivers").iterdir())) == 2)
    place.let_go("byol")
    _, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    assert place.names() == ["byol", "byol.r0", "byol.r1"]
    assert metrics(place) == expected


def test_all_killed_at_once_is_finished_by_the_next_run(place, undisturbed):
    expected = reference(place, undisturbed)
    place.hold("byol.r0")
    first = place.start("run", "1", *ONE)
    pid = execution(place, "byol.r0")
    first.send_signal(signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    first.communicate()
    place.wait_until(lambda: not place.alive(pid))
    place.let_go("byol.r0")
    code, _, errors = place.harness("run", "1", *ONE)
    assert code == 0, errors
    assert place.names().count("byol") == 1
    assert metrics(place) == expected


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_stops_the_jobs_and_the_next_run_goes_on(place, undisturbed, number, code):
    expected = reference(place, undisturbed)
    place.hold("byol")
    first = place.start("run", "1", *ONE)
    pid = execution(place, "byol")
    directory = place.wait_until(lambda: place.directory("pretrain", "byol"))
    place.wait_until(lambda: (directory / "progress.json").exists())
    first.send_signal(number)
    _, errors = first.communicate(timeout=120)
    assert first.returncode == code
    assert "Run again to go on from here" in errors
    assert not place.alive(pid)
    assert "stopped: SIGTERM" in (directory / "log.txt").read_text()
    assert not (directory / "record.json").exists()
    place.let_go("byol")
    assert place.harness("run", "1", *ONE)[0] == 0
    assert metrics(place) == expected


@pytest.mark.parametrize("stage", ["regions", "alike"])
def test_a_stage_killed_with_its_harness_goes_on_in_its_middle(place, undisturbed, stage):
    expected = reference(place, undisturbed, STAGED)
    place.hold(stage)
    first = place.start("run", "1", *STAGED)
    pid = execution(place, stage)
    checkpoint = place.directory("prepare", stage) / "checkpoint.json"
    place.wait_until(lambda: checkpoint.exists() and json.loads(checkpoint.read_text())[0] == 3)
    first.send_signal(signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    first.communicate()
    place.wait_until(lambda: not place.alive(pid))
    place.let_go(stage)
    code, _, errors = place.harness("run", "1", *STAGED)
    assert code == 0, errors
    assert [step for name, _, step in place.executions() if name == stage] == [0, 3]
    assert place.names().count("regions") == (2 if stage == "regions" else 1)
    assert metrics(place) == expected
