"""How long a plan takes on a cluster."""

import json
import os
from pathlib import Path

import pytest

from harness import cli, forecast, status, worker
from harness.plan import Request, build
from harness.speed import Speed
from harness.store import Store
from slurm.cluster import Cluster

FOUR = (
    "description: of the tests\ngpus_per_node: 4\ngpus: 8\nwarning_seconds: 20\n"
    "kinds: {pretrain: {gpus: 4, hours: 0.002}}\n"
)
CPUS = "description: of the tests\nkinds: {pretrain: {gpus: 0, processes: 4}, transfer: {gpus: 0}}\n"
BEGIN = ("--from", "2027-01-04T08:00")
HALF_HOUR = 1800.0
ON_GPUS = Request(tables=("1",), profile="toy.yaml", gpus=frozenset({"pretrain", "transfer"}))


@pytest.fixture
def four(place):
    """A cluster of nodes of four GPUs."""
    (place.folder / "four.yaml").write_text(FOUR)
    return Cluster(description="x", gpus_per_node=4, gpus=8, kinds={"pretrain": {"gpus": 4}})


@pytest.fixture
def cpus(place):
    (place.folder / "cpus.yaml").write_text(CPUS)
    return Cluster(description="x", kinds={"pretrain": {"gpus": 0, "processes": 4}, "transfer": {"gpus": 0}})


def printed(capsys, *arguments):
    capsys.readouterr()
    assert cli.main(["plan", *arguments, "--profile", "toy.yaml"]) == 0
    return capsys.readouterr().out


def forecast_of(plan, cluster, asked=None):
    looks = status.survey(Store(Path("runs")), plan.jobs)
    return forecast.build(plan, looks, lambda job: HALF_HOUR, cluster, asked)


def finish(store, job, **changes):
    store.prepare(job)
    worker.execute(store.directory(job))
    path = store.directory(job) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_hours_count_processes_and_the_end_is_that_of_a_schedule(planned, cpus):
    whole = forecast_of(planned, cpus, 8).whole
    assert (whole.jobs, whole.left) == (9, 9)
    assert whole.unit_hours == pytest.approx((4 + 4 + 1 + 6) / 2)
    assert (whole.alone, whole.end, whole.at_least) == (3 * HALF_HOUR, 3 * HALF_HOUR, 2 * HALF_HOUR)


def test_what_is_done_is_not_counted(place, planned, cpus):
    finish(Store(place.store), planned.jobs_of("byol", None)[0])
    whole = forecast_of(planned, cpus, 8).whole
    assert (whole.jobs, whole.left) == (9, 8)
    assert whole.unit_hours == pytest.approx((4 + 1 + 6) / 2)


def test_gpus_are_counted_where_jobs_ask_for_some(planned, four):
    found = forecast_of(build(ON_GPUS), four)
    assert (found.room.words, found.room.source) == ("8 GPUs", "`gpus` of the cluster profile")
    assert found.whole.unit_hours == pytest.approx((4 + 4 + 0 + 6) / 2)


def test_a_table_counts_all_that_it_rests_on_and_ends_with_its_last_job(staged, cpus):
    found = forecast_of(staged, cpus, 4)
    (table,) = found.parts
    assert (table.jobs, table.left) == (len(staged.jobs), len(staged.jobs))
    assert table.end == found.whole.end == max(found.ends.values())
    assert table.at_least <= table.alone


def test_all_tables_have_their_part(planned, cpus):
    found = forecast_of(build(Request(tables=("1", "2"), profile="toy.yaml")), cpus, 4)
    assert [part.title for part in found.parts] == ["table1", "table2"]
    assert max(part.end for part in found.parts) == found.whole.end


def test_plan_prints_hours_and_a_date_without_slurm(four, planned, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    text = printed(capsys, "1", "--cluster", "four.yaml", *BEGIN)
    assert "8 GPUs at once (`gpus` of the cluster profile)" in text
    assert "2 of them go on after their time limit" in text  # the third trains nothing
    assert "from 2027-01-04 08:00 with 8 GPUs at once: " in text
    assert "finished 2027-01-04 08:01" in text
    assert "guessed by the profile (`seconds`): pretrain, voc_detection" in text
    assert "of its 4 GPUs, by simulation" in text
    assert not os.path.exists("runs")


def test_plan_warns_of_what_would_be_given_up_before_it_is_done(four, planned, capsys):
    warning = "warning: 2 of kind pretrain take up to "
    text = printed(capsys, "1", "--cluster", "four.yaml", *BEGIN)
    assert warning in text
    assert "given up after 29 s: set max_hours in the cluster profile, or raise kinds.pretrain.hours" in text
    Path("four.yaml").write_text(f"{FOUR}max_hours: 1\n")
    assert warning not in printed(capsys, "1", "--cluster", "four.yaml", *BEGIN)


def test_several_gpus_are_not_taken_for_as_many_times_the_speed(planned, four):
    job = build(ON_GPUS).jobs_of("byol", None)[0]
    speed = Speed(planned.profile, four)
    assert speed.times(job, 1) == 1
    assert 1 < speed.times(job, 2) < speed.times(job, 4) < 4


def test_plan_says_which_lengths_are_measured(place, cpus, planned, capsys):
    for job in planned.jobs:
        if job.recipe == "byol":
            finish(Store(place.store), job, timings={"seconds": 7200.0})
    text = printed(capsys, "1", "--cluster", "cpus.yaml", "--gpus", "1000", *BEGIN)
    assert "every length is measured" in text
    assert "30 min 00 s" in text  # two hours of one process are half an hour of four
    assert "2 h 00 min" in text


def test_what_several_processes_took_is_not_taken_for_one(place, cpus, planned, capsys):
    finish(Store(place.store), planned.jobs_of("byol", None)[0], timings={"seconds": 7200.0}, processes=4)
    assert "2 h 00 min" in printed(capsys, "1", "--cluster", "cpus.yaml", "--gpus", "1000", *BEGIN)
    assert "8 h 00 min" in printed(capsys, "1", "--workers", "2")


def test_a_cluster_too_small_for_a_job_is_refused_with_the_remedy(four, planned, capsys):
    assert cli.main(["plan", "1", "--cluster", "four.yaml", "--gpus", "2", "--profile", "toy.yaml"]) == 2
    error = capsys.readouterr().err
    assert "--gpus 2: pretrain" in error
    assert "takes 4. Ask for 4 or more" in error


@pytest.mark.parametrize(
    ("asked", "said"),
    [(("--from", "soon"), "is no date"), (("--cluster", "nowhere"), "--cluster nowhere: there is no such cluster")],
)
def test_a_wrong_date_or_cluster_is_one_line(place, capsys, asked, said):
    try:
        code = cli.main(["plan", "1", *asked, "--profile", "toy.yaml"])
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert said in capsys.readouterr().err
