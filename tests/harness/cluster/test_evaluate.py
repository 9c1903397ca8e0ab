"""``harness evaluate --cluster``: a row of one's own weights, fine-tuned by Slurm."""

import re
import shlex
from pathlib import Path

import pytest

from ground.errors import ConfigError
from harness import cli
from harness.cluster import cancel, run, showing

TASKS = ("--tasks", "voc_detection")


@pytest.fixture
def evaluate(place, planned, slurm, monkeypatch, capsys):
    """``evaluate(*arguments)``: exit code, stdout and stderr of `harness evaluate --cluster of.yaml ARGUMENTS`."""
    (place.folder / "of.yaml").write_text("description: of the tests\npoll_seconds: 0.01\n")
    Path("mine.pth").write_text("1 2 3")
    monkeypatch.setattr(run, "Slurm", lambda: slurm)
    monkeypatch.setattr(cancel, "Slurm", lambda: slurm)
    monkeypatch.setattr(showing, "Slurm", lambda patience: slurm)
    monkeypatch.setattr(run, "PAUSE_SECONDS", 0.001)

    def evaluate(*arguments):
        capsys.readouterr()
        words = ["--weights", "mine.pth", "--name", "Theirs", *TASKS, "--profile", "toy.yaml", "--cluster", "of.yaml"]
        code = cli.main(["evaluate", *words, *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return evaluate


@pytest.fixture
def hint(capsys):
    """``hint(words, beginning)``: what the command says that stands there behind ``beginning``."""

    def hint(words, beginning):
        command = re.search(rf"{beginning}: (harness .*?)(\.? To take|$)", words, re.MULTILINE)[1]
        capsys.readouterr()
        assert cli.main(shlex.split(command)[1:]) == 0, command
        return capsys.readouterr().out

    return hint


def test_it_stays_until_its_row_is_there(evaluate, slurm):
    slurm.work_when_looked_at()
    code, output, errors = evaluate()
    assert code == 0
    assert slurm.names() == ["import/Theirs", "transfer/voc_detection.Theirs.r0", "transfer/voc_detection.Theirs.r1"]
    assert "3 jobs: 3 done" in errors
    assert re.search(r"^Theirs +\d+\.\d+ ± \d", output, re.MULTILINE)
    assert "Beside the paper's: harness table N --profile toy.yaml, for N = 1" in output


def test_what_it_says_who_does_not_stay_works(evaluate, slurm, hint):
    code, output, errors = evaluate("--detach")
    assert (code, len(slurm.calls)) == (0, 2)
    assert not re.search(r"±", output)
    told = hint(errors, "How it stands")
    assert "3 jobs: 3 queued" in told
    assert "Theirs" in told
    assert "3 tasks of this store to be cancelled" in hint(f"{errors.rstrip()} --dry-run", "To take it back")
    slurm.work()
    assert "3 jobs: 3 done" in hint(errors, "How it stands")
    code, output, _ = evaluate("--detach")
    assert code == 0
    assert "±" in output


def test_where_no_table_has_its_task_it_says_what_else_would_be_taken_back(evaluate, hint, drive, monkeypatch):
    drive().make()
    monkeypatch.setattr("harness.evaluate._numbers", lambda options: [])
    errors = evaluate("--detach")[2]
    told = hint(f"{errors.rstrip()} --dry-run", "To take it back, with all else of this store")
    assert "12 tasks of this store to be cancelled" in told


def test_taken_back_it_takes_nothing_else_along(evaluate, slurm, drive, hint):
    drive().make()
    _, _, errors = evaluate("--detach")
    hint(f"{errors.rstrip()} --yes", "To take it back")
    left = {entry.token for entry in slurm.entries.values() if entry.phase != "ended"}
    assert {
        task.name.rpartition("-")[0] for each in slurm.submissions if each.token in left for task in each.tasks
    } == {
        *(f"pretrain/{name}" for name in ("byol.scenes.s0", "pixcon-sr.scenes.s0", "random-init.s0")),
        *(f"transfer/voc_detection.{name}.r{run}" for name in ("byol", "pixcon-sr", "random-init") for run in (0, 1)),
    }


def test_a_failure_is_told_and_there_is_a_row_of_what_is_left(evaluate, slurm, place):
    place.fail("Theirs.r1", "code")
    evaluate("--detach")
    slurm.work()
    code, output, errors = evaluate()
    assert code == 1
    assert "failed: voc_detection Theirs run 1" in errors
    assert "Theirs" in output


def test_other_weights_are_put_aside_before_anything_is_submitted(evaluate, slurm):
    evaluate("--detach")
    slurm.work()
    Path("mine.pth").write_text("4 5 6")
    code, _, errors = evaluate("--detach")
    assert (code, len(slurm.calls)) == (2, 2)
    assert "--replace" in errors
    code, _, errors = evaluate("--detach", "--replace")
    assert (code, len(slurm.calls)) == (0, 4)
    assert "put aside: " in errors


def test_a_cluster_that_takes_no_such_jobs_is_told_before_anything_is_put_aside(evaluate, slurm, place):
    def refuse(cluster, requests):
        raise ConfigError("of.yaml", "no such partition", "Mend it.")

    slurm.check = refuse
    code, _, errors = evaluate()
    assert (code, slurm.calls) == (2, [])
    assert "no such partition" in errors


def test_a_dry_run_submits_nothing(evaluate, slurm, place):
    code, output, _ = evaluate("--dry-run")
    assert (code, slurm.calls) == (0, [])
    assert "Theirs" in output
