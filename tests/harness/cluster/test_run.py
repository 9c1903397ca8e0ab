"""``harness run --cluster`` from the command line, against the stand-in."""

import os
import signal

import pytest

from ground.errors import ConfigError
from harness import cli
from harness.cluster import driver, keeper, lease, run
from harness.cluster.home import Home
from harness.store import Store
from slurm.cluster import Cluster
from slurm.commands import Unavailable

PROFILE = "description: of the tests\npoll_seconds: 0.01\n"


@pytest.fixture
def command(place, planned, slurm, monkeypatch, capsys):
    """``command(*arguments)``: exit code and stderr of ``harness run 1 --cluster of.yaml ARGUMENTS``."""
    (place.folder / "of.yaml").write_text(PROFILE)
    monkeypatch.setattr(run, "Slurm", lambda: slurm)
    monkeypatch.setattr(run, "PAUSE_SECONDS", 0.001)

    def do(*arguments, profile="of.yaml"):
        capsys.readouterr()
        code = cli.main(["run", "1", "--profile", "toy.yaml", "--cluster", profile, *arguments])
        return code, capsys.readouterr().err

    return do


def test_it_stays_until_all_is_done(command, slurm):
    slurm.work_when_looked_at(every=3)
    code, errors = command()
    assert code == 0
    assert "submitted 9 jobs in 4 arrays: 100, 101, 102, 103" in errors
    assert "done   pretrain byol" in errors
    assert errors.endswith("9 jobs: 9 done\n")
    assert command()[1].splitlines()[1:] == ["9 jobs: 9 done"]


def test_what_would_be_given_up_before_it_is_done_is_said_at_once(command, slurm, place):
    (place.folder / "of.yaml").write_text(f"{PROFILE}max_hours: 0.0001\n")
    _, errors = command("--detach")
    assert "warning: 6 of kind transfer take up to " in errors
    assert "given up after 0.4 s: set max_hours in the cluster profile, or raise kinds.transfer.hours" in errors


def test_a_failure_is_said_with_its_log_and_what_waits_for_it(command, slurm, place):
    place.fail("byol", "code")
    slurm.work_when_looked_at(every=3)
    code, errors = command()
    assert code == 1
    assert "9 jobs: 6 done, 2 blocked, 1 failed" in errors
    assert "failed: pretrain byol: code: RuntimeError: a bug in byol\n    log: runs/pretrain/byol.scenes.s0-" in errors
    assert "blocked: 2 runs: waits for pretrain byol, which failed" in errors
    place.mend("byol")
    assert command("--rerun", "retry")[0] == 0


def test_what_slurm_refuses_ends_the_run_with_exit_code_1(command, slurm):
    def refuse(*arguments, **more):
        raise ConfigError("sbatch", "Slurm says: no", "Mend it.")

    slurm.submit = refuse
    code, errors = command()
    assert code == 1
    assert "failed: pretrain byol: given up, for Slurm does not take it" in errors
    assert "blocked: 2 runs: waits for pretrain byol, which failed" in errors


def test_detach_says_the_truth_where_another_harness_has_the_lease(command, slurm, place, monkeypatch):
    monkeypatch.setattr(driver, "LEASE_SECONDS", 0.0)
    with lease.held(Home(Store(place.store)).lease, 0.0):
        code, errors = command("--detach")
    assert (code, slurm.calls) == (1, [])
    assert "another harness is submitting: this pass submitted nothing" in errors
    assert "NOT submitted: 9 jobs; run again: harness run 1" in errors


def test_ctrl_c_leaves_the_jobs_where_they_are_and_says_how_to_go_on(command, slurm):
    slurm.after_sbatch = lambda submission: os.kill(os.getpid(), signal.SIGINT) if len(slurm.calls) == 2 else None
    code, errors = command()
    assert code == 130
    assert slurm.cancelled == []
    assert "The jobs stay in the queue" in errors
    assert "harness run 1 --profile toy.yaml --cluster of.yaml" in errors
    assert "harness cancel 1 --profile toy.yaml --cluster of.yaml --store runs" in errors


def test_detached_it_returns_at_once_and_says_who_looks_after_the_jobs(command, slurm, place):
    code, errors = command("--detach")
    assert (code, len(slurm.entries)) == (0, 9)
    assert "nobody looks after them (field `keeper` of the cluster profile, see docs/cluster.md)" in errors
    (place.folder / "kept.yaml").write_text(f"{PROFILE}keeper: {{}}\n")
    code, errors = command("--detach", profile="kept.yaml")
    assert (code, len(slurm.entries)) == (0, 10)
    assert "the keeper 104 looks after them" in errors
    assert slurm.calls[-1].tasks[0].name == keeper.TASK


def test_detached_while_slurm_does_not_answer_it_says_what_was_not_submitted(command, slurm, place):
    def away(cluster):
        raise Unavailable("scontrol", "Slurm says: Unable to contact slurm controller", "Wait.")

    slurm.limit, limit = away, slurm.limit
    code, errors = command("--detach")
    assert (code, slurm.calls) == (1, [])
    assert "NOT submitted: 9 jobs; run again: harness run 1 --profile toy.yaml --cluster of.yaml\n" in errors
    assert "stay in the queue" not in errors
    (place.folder / "kept.yaml").write_text(f"{PROFILE}keeper: {{}}\n")
    code, errors = command("--detach", profile="kept.yaml")
    assert (code, len(slurm.calls)) == (1, 1)
    assert "--cluster kept.yaml; the keeper 100 looks after them" in errors
    slurm.limit = limit
    assert command("--detach")[0] == 0
    slurm.away = "Unable to contact slurm controller"
    code, errors = command("--detach")
    assert (code, "NOT submitted" in errors) == (0, False)


def test_what_there_is_no_room_for_is_said_and_no_fault(command, place):
    (place.folder / "small.yaml").write_text(f"{PROFILE}max_jobs: 4\n")
    code, errors = command("--detach", profile="small.yaml")
    assert code == 0
    assert "NOT submitted: 5 jobs (max_jobs of the cluster profile are in the queue)" in errors


def test_the_command_that_shows_how_it_stands_is_whole(command):
    _, errors = command("--detach", "--only", "byol", "--set", "pretrain.train.epochs=2", "--seed", "3")
    assert (
        "How it stands: harness status 1 --profile toy.yaml --only byol --seed 3 --set pretrain.train.epochs=2 "
        "--cluster of.yaml --store runs. To take it back: harness cancel 1 --profile toy.yaml --only byol --seed 3 "
        "--set pretrain.train.epochs=2 --cluster of.yaml --store runs"
    ) in errors


def test_a_number_of_workers_is_no_word_for_a_cluster(command, slurm):
    code, errors = command("--workers", "2")
    assert (code, slurm.calls) == (2, [])
    assert errors.startswith("harness: error: --workers 2: how many jobs run at once is Slurm's to say.")


def test_never_submits_nothing(command, slurm):
    assert command("--rerun", "never") == (0, "9 jobs: 9 missing\n")
    assert slurm.calls == []


def test_what_slurm_would_not_take_is_refused_before_anything_is_written(command, slurm, place):
    def no(cluster, requests):
        asked.extend(requests.values())
        raise ConfigError("sbatch", "Slurm says: invalid partition", "Mend it.")

    asked, slurm.check = [], no
    code, errors = command()
    assert asked == ["pretrain (of.yaml, kinds.pretrain)"]
    assert (code, errors) == (2, "harness: error: sbatch: Slurm says: invalid partition. Mend it.\n")
    assert not (place.store / ".slurm").exists()


def test_a_controller_that_is_away_at_first_is_waited_for(command, slurm):
    looks = iter(range(100))
    limit = slurm.limit

    def away(cluster, requests):
        raise Unavailable("sbatch", "Slurm says: Unable to contact slurm controller", "Wait.")

    def later(cluster):
        if next(looks) < 3:
            raise Unavailable("scontrol", "Slurm says: Unable to contact slurm controller", "Wait.")
        return limit(cluster)

    slurm.check, slurm.limit = away, later
    slurm.work_when_looked_at(every=3)
    code, errors = command()
    assert code == 0
    assert "Unable to contact slurm controller" in errors
    assert errors.endswith("9 jobs: 9 done\n")


def test_the_code_is_that_of_when_the_harness_began(command, slurm, place, monkeypatch):
    given = []
    submit = slurm.submit

    def seen(*arguments, environment, **more):
        given.append(environment["PYTHONPATH"].split(os.pathsep)[0])
        return submit(*arguments, environment=environment, **more)

    slurm.submit = seen
    slurm.ends["pretrain/byol.scenes.s0"] = ["PREEMPTED"]
    slurm.work_when_looked_at(every=3)
    assert command()[0] == 0
    assert len(given) > 4
    assert set(given) == {str(next((place.store / ".code").iterdir()).absolute())}


def test_debug_runs_in_this_process(place, planned, capsys):
    assert cli.main(["run", "1", "--only", "byol", "--profile", "toy.yaml", "--cluster", "debug"]) == 0
    assert "3 jobs: 3 done" in capsys.readouterr().err
    assert {pid for _, pid, _ in place.executions()} == {os.getpid()}


def test_what_ends_alike_is_one_line_and_each_that_is_given_up_has_its_own(command, slurm):
    for recipe in ("byol", "pixcon-sr"):
        slurm.ends[f"pretrain/{recipe}.scenes.s0"] = ["PREEMPTED"]
    slurm.ends["pretrain/random-init.s0"] = ["OUT_OF_MEMORY"] * 2
    slurm.work_when_looked_at(every=3)
    code, errors = command()
    assert code == 1
    assert errors.count("2 preempted: n1: another job took its place; start again\n") == 1
    assert "preempted  pretrain" not in errors
    assert "1 failed (memory): n1: Slurm ended it: out of memory; starts again (2 of 2)" in errors
    assert "failed  pretrain random-init: given up after 2 times memory" in errors


def test_a_profile_says_what_a_keeper_gets():
    profile = Cluster.model_validate({"description": "x", "partition": "p", "qos": "q", "keeper": {"memory": "1G"}})
    asked = keeper.request(profile)
    assert (asked.partition, asked.qos, asked.memory_mb, asked.minutes, asked.cpus_per_task) == (
        "p",
        "q",
        1024,
        1440,
        1,
    )


def test_what_is_lost_is_told_with_the_reason(command, slurm):
    slurm.ends["pretrain/byol.scenes.s0"] = ["NODE_FAIL"]
    slurm.work_when_looked_at(every=3)
    code, errors = command()
    assert code == 0
    assert "called off 2 tasks whose turn would never come" in errors
    assert "1 failed (node): n1: its node failed; starts again (2 of 6)" in errors
    assert "submitted 3 jobs in 2 arrays" in errors
    assert errors.count("submitted") == 2
