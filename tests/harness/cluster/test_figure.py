"""``harness figure --cluster``: Slurm pre-trains what a figure lacks, and it is drawn here. With the real rooms."""

import json
import re
import shlex

import pytest
from place import FEW

from harness import cli
from harness.cluster import cancel, run, showing


@pytest.fixture
def figure(tmp_path, slurm, monkeypatch, capsys):
    """``figure(*arguments)``: exit code, stdout and stderr of `harness figure ARGUMENTS --cluster of.yaml`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(run, "Slurm", lambda: slurm)
    monkeypatch.setattr(cancel, "Slurm", lambda: slurm)
    monkeypatch.setattr(showing, "Slurm", lambda patience: slurm)
    monkeypatch.setattr(run, "PAUSE_SECONDS", 0.001)
    (tmp_path / "few.yaml").write_text(FEW)
    (tmp_path / "of.yaml").write_text("description: of the tests\npoll_seconds: 0.01\n")

    def figure(*arguments):
        capsys.readouterr()
        code = cli.main(["figure", *arguments, "--profile", "few.yaml", "--cluster", "of.yaml", "--side", "64"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return figure


def test_it_stays_until_the_figure_can_be_drawn(figure, slurm):
    slurm.work_when_looked_at()
    code, output, errors = figure("1", "--only", "random-init", "--out", "a.png", "--out", "a.json")
    assert code == 0
    assert slurm.names() == ["pretrain/random-init.s0"]
    assert "1 jobs: 1 done" in errors
    assert output.split()[-2:] == ["a.png", "a.json"]


def test_who_does_not_stay_gets_it_later_and_is_told_how_it_stands(figure, slurm, tmp_path, capsys):
    asked = ("1", "--only", "random-init", "--detach", "--out", "a.json")
    code, output, errors = figure(*asked)
    assert (code, output, slurm.names()) == (0, "", ["pretrain/random-init.s0"])
    assert "left out: random-init, whose pre-training is " in errors
    command = shlex.split(re.search(r"How it stands: harness (.*)\. To take it back", errors)[1])
    assert cli.main(command) == 0
    assert "queued" in capsys.readouterr().out
    slurm.work()
    code, output, _ = figure(*asked)
    assert (code, output.split(), len(slurm.calls)) == (0, ["a.json"], 1)
    assert list(json.loads((tmp_path / "a.json").read_text())["weights"]) == ["random init"]


def test_the_epochs_that_figure_2_shows_are_kept_by_the_job_that_is_submitted(figure, slurm, tmp_path):
    code, output, _ = figure("2", "--detach")
    assert (code, output, slurm.names()) == (0, "", ["pretrain/pixcon-sr.scenes.s0"])
    (job,) = (tmp_path / "runs" / "pretrain").glob("*/job.json")
    assert json.loads(job.read_text())["config"]["train"]["snapshot_epochs"] > 0


def test_where_nothing_can_be_drawn_after_a_failure_it_says_so(figure, slurm, tmp_path):
    slurm.ends = {"pretrain/random-init.s0": ["FAILED"] * 9}
    slurm.work_when_looked_at()
    code, output, errors = figure("1", "--only", "random-init", "--out", "a.json")
    assert (code, output) == (1, "")
    assert "left out: random-init" in errors
    assert not (tmp_path / "a.json").exists()


def test_a_chart_of_finished_runs_asks_no_cluster_for_anything(figure, slurm):
    code, _, errors = figure("heatmap")
    assert (code, slurm.calls) == (2, [])
    assert errors.startswith("harness: error: ")
