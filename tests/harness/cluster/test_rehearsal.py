"""What a run would submit, without submitting it."""

import os

import pytest

from harness import cli
from harness.cluster import rehearsal
from harness.estimate import Estimates
from harness.store import Store

CPUS = "description: of the tests\npartition: night\nkinds: {pretrain: {gpus: 0}, transfer: {gpus: 0, hours: 2}}\n"


@pytest.fixture
def cpus(place):
    (place.folder / "cpus.yaml").write_text(CPUS)
    return "cpus.yaml"


def rehearsed(plan, store, cluster):
    return rehearsal.rehearse(plan, store, cluster, Estimates(plan.profile.seconds)).written


def listed(folder):
    return sorted(os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)


def test_it_is_what_a_driver_submits(place, planned, drive, slurm, cluster):
    paper = rehearsed(planned, Store(place.store), cluster)
    assert listed(place.store) == []
    drive().make()
    assert [(made.request, made.tasks) for made, _ in paper] == [(made.request, made.tasks) for made in slurm.calls]
    assert [made.after for made, _ in paper] == [(), ("ARRAY1_0",), ("ARRAY1_1",), ("ARRAY1_2",)]
    assert [made.after for made in slurm.calls] == [(), ("100_0",), ("100_1",), ("100_2",)]


def test_the_scripts_are_printed_with_their_tasks_and_nothing_is_written(place, planned, cpus, capsys):
    before = listed(place.folder)
    capsys.readouterr()
    assert cli.main(["run", "1", "--cluster", cpus, "--dry-run", "--profile", "toy.yaml"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# 9 jobs in ")
    assert "#SBATCH --partition=night" in text
    assert "#SBATCH --dependency=afterok:ARRAY1_" in text
    assert "#SBATCH --time=120" in text
    assert text.count("#!/bin/bash") == text.count("# ---- ARRAY")
    assert sum(": voc_detection byol run " in line for line in text.splitlines()) == 2
    assert listed(place.folder) == before
    assert cli.main(["plan", "1", "--cluster", cpus, "--submissions", "--profile", "toy.yaml"]) == 0
    assert capsys.readouterr().out == text


def test_without_slurm_what_was_submitted_counts_as_queued(place, planned, drive, slurm, cluster, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    drive(jobs=planned.jobs[:1]).make()
    monkeypatch.setattr(rehearsal.Paper, "known", lambda self, home: slurm.known(home))
    tasks = [task.name for made, _ in rehearsed(planned, Store(place.store), cluster) for task in made.tasks]
    assert len(tasks) == 8
    assert f"pretrain/{planned.jobs[0].name}" not in tasks


def test_here_a_dry_run_is_the_plan(place, planned, capsys):
    capsys.readouterr()
    assert cli.main(["run", "1", "--dry-run", "--profile", "toy.yaml"]) == 0
    assert "9 of 9 jobs to run" in capsys.readouterr().out
    assert place.names() == []
    assert cli.main(["plan", "1", "--submissions", "--profile", "toy.yaml"]) == 2
    assert "`--cluster local` submits nothing" in capsys.readouterr().err
