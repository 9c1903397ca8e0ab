"""How long a plan takes on a cluster."""

import json
import os
from pathlib import Path

import pytest

from harness import cli, forecast, status, worker
from harness.plan import Request, build
from harness.store import Store
from slurm.cluster import Cluster

FOUR = "description: of the tests\ngpus_per_node: 4\ngpus: 8\nkinds: {pretrain: {gpus: 4, hours: 0.01}}\n"
BEGIN = ("--from", "2027-01-04T08:00")


@pytest.fixture
def four(place):
    (place.folder / "four.yaml").write_text(FOUR)
    return Cluster(description="x", gpus_per_node=4, gpus=8, kinds={"pretrain": {"gpus": 4}})


def printed(capsys, *arguments):
    capsys.readouterr()
    assert cli.main(["plan", *arguments, "--profile", "toy.yaml"]) == 0
    return capsys.readouterr().out


def forecast_of(plan, cluster, gpus=None, takes=600.0):
    looks = status.survey(Store(Path("runs")), plan.jobs)
    return forecast.build(plan, looks, lambda job: takes, cluster, gpus)


def test_hours_count_gpus_and_the_end_is_that_of_a_schedule(planned, four):
    whole = forecast_of(planned, four).whole
    assert (whole.jobs, whole.left) == (9, 9)
    assert whole.unit_hours == pytest.approx((3 * 4 + 6) * 600 / 3600)
    assert (whole.alone, whole.end, whole.at_least) == (1800, 1800, 1350)


def test_a_table_counts_all_that_it_rests_on_and_ends_with_its_last_job(staged, four):
    found = forecast_of(staged, four, gpus=4)
    (table,) = found.parts
    assert (table.jobs, table.left) == (len(staged.jobs), len(staged.jobs))
    assert table.end == found.whole.end == max(found.ends.values())
    assert table.at_least <= table.alone


def test_what_is_done_is_not_counted(place, planned, four):
    store = Store(place.store)
    store.prepare(planned.jobs[0])
    worker.execute(store.directory(planned.jobs[0]))
    whole = forecast_of(planned, four).whole
    assert (whole.jobs, whole.left) == (9, 8)
    assert whole.unit_hours == pytest.approx((2 * 4 + 6) * 600 / 3600)


def test_without_gpus_processes_are_counted(planned):
    none = {"gpus": 0, "processes": 3}
    cluster = Cluster(description="x", kinds={"pretrain": none, "transfer": {"gpus": 0}})
    found = forecast_of(planned, cluster, gpus=6)
    assert found.room.words == "6 processes"
    assert found.whole.unit_hours == pytest.approx((3 * 3 + 6) * 600 / 3600)


def test_plan_prints_hours_and_a_date_without_slurm(four, planned, capsys):
    text = printed(capsys, "1", "--cluster", "four.yaml", *BEGIN)
    assert "8 GPUs at once (`gpus` of the cluster profile)" in text
    assert "2 of them go on after their time limit" in text  # the third trains nothing
    assert "from 2027-01-04 08:00 with 8 GPUs at once: " in text
    assert "finished 2027-01-04 08:01" in text
    assert "guessed by the profile (`seconds`): pretrain, voc_detection" in text
    assert not os.path.exists("runs")


def test_plan_says_which_lengths_are_measured(place, four, planned, capsys):
    store = Store(place.store)
    for job in planned.jobs:
        if job.recipe == "byol":
            store.prepare(job)
            worker.execute(store.directory(job))
            path = store.directory(job) / "record.json"
            record = json.loads(path.read_text())
            record["timings"]["seconds"] = 7200.0
            path.write_text(json.dumps(record))
    text = printed(capsys, "1", "--cluster", "four.yaml", *BEGIN)
    assert "every length is measured" in text
    assert "2 h 00 min" in text


def test_a_cluster_too_small_for_a_job_is_refused_with_the_remedy(four, planned, capsys):
    assert cli.main(["plan", "1", "--cluster", "four.yaml", "--gpus", "2", "--profile", "toy.yaml"]) == 2
    error = capsys.readouterr().err
    assert "--gpus 2: pretrain" in error
    assert "takes 4. Ask for 4 or more" in error


@pytest.mark.parametrize(
    ("asked", "said"), [(("--from", "soon"), "is no date"), (("--cluster", "nowhere"), "clusters `nowhere`: unknown")]
)
def test_a_wrong_date_or_cluster_is_one_line(place, capsys, asked, said):
    try:
        code = cli.main(["plan", "1", *asked, "--profile", "toy.yaml"])
    except SystemExit as exit:
        code = exit.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_all_tables_have_their_line(planned, four):
    plan = build(Request(tables=("1", "2"), profile="toy.yaml"))
    found = forecast_of(plan, four)
    assert [part.title for part in found.parts] == ["table1", "table2"]
    assert max(part.end for part in found.parts) == found.whole.end
