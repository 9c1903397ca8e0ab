"""A table over a store: its cells, what is said below it, what the reader may ask for."""

import json
from pathlib import Path

import pytest
from commanding import do, output

from harness import cli
from harness.plan import Request, build


def test_a_table_without_anything_to_run_generates_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("transfer.tasks.names", lambda: ["voc_detection"])
    (tmp_path / "few.yaml").write_text("description: one task\nscenes: {}\nseconds: {pretrain: 1, transfer: 1}\n")
    assert cli.main(["run", "2", "--profile", "few.yaml"]) == 0
    assert "there is nothing to run" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_table_is_filled_from_finished_runs(place, planned, runs, capsys):
    do(runs, *planned.jobs[:3], *planned.jobs[3:5])
    text = output(capsys, "table", "1")
    metrics = [runs.look(job).record["metrics"]["AP"] for job in planned.jobs[1:3]]
    assert f"{sum(metrics) / 2:.2f} ±" in text
    assert "(1/2)" in text
    assert "profile: toy.yaml;" in text
    assert "torchvision 0" in text
    output(capsys, "table", "1", "--out", "out/1.csv", "--out", "out/1.tex", "--out", "out/1.txt")
    assert (place.folder / "out" / "1.txt").read_text() == text
    assert "tabular" in (place.folder / "out" / "1.tex").read_text()
    assert (place.folder / "out" / "1.csv").read_text().count("\n") > 5


def test_a_repeat_that_copies_another_spoils_its_cell_alone(planned, runs, capsys):
    do(runs, *planned.jobs[:6])
    first, second = (runs.directory(job) / "record.json" for job in planned.jobs[1:3])
    copied = json.loads(second.read_text()) | {"curve": json.loads(first.read_text())["curve"]}
    second.write_text(json.dumps(copied))
    text = output(capsys, "table", "1")
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert "duplicate" in rows["BYOL"]
    assert "±" in rows["PixCon-SR"]
    said = " ".join(text.split())
    assert f"{first.parent.name} and runs/transfer/{second.parent.name} have the same losses at every step" in said


def test_overrides_are_shown_on_the_table(planned, capsys):
    text = output(capsys, "table", "1", "--set", "byol.train.epochs=3")
    assert "profile: toy.yaml + overrides;" in text
    assert "- overrides: byol.train.epochs=3\n" in text


def test_a_table_of_several_pre_trainings_says_what_its_deviation_holds(place, planned, runs, capsys):
    do(runs, *build(Request(tables=("1",), profile="toy.yaml", recipes=("byol",), pretrainings=2)).jobs)
    options = ("table", "1", "--only", "byol", "--pretrain-seeds", "2")
    text = output(capsys, *options)
    assert "± of cells of 2 pre-trainings" in text
    assert "2 pre-trainings of each recipe, seeds 0 to 1" in text
    assert "std by source" in " ".join(
        output(capsys, *options, "--compare", "statistics", "--baseline", "byol").split()
    )
    one = output(capsys, "table", "1", "--only", "byol")
    assert "over fine-tuning runs of one pre-training" in one


def test_a_table_shows_what_the_reader_asks_for(planned, runs, capsys):
    do(runs, *planned.jobs)
    assert "published" in output(capsys, "table", "1").split("\n\n")[1]
    assert "published" not in output(capsys, "table", "1", "--compare", "none").split("\n\n")[1]
    judged = output(capsys, "table", "1", "--compare", "statistics", "--margin", "1", "--no-std")
    assert "less MoCo-V2+" in judged.split("\n\n")[1]
    assert "±" not in judged.split("\n\n")[1]
    for suffix in ("html", "json", "md"):
        output(capsys, "table", "1", "--out", f"out/1.{suffix}", "--compare", "statistics")
        assert "MoCo-V2+" in Path(f"out/1.{suffix}").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--baseline", "byol"], "--baseline: is of use to the statistics alone. Add --compare statistics."),
        (["--margin", "2"], "--margin: is of use to the statistics alone"),
        (["--compare", "statistics", "--baseline", "bylo"], "--baseline bylo: table1 has no such row"),
        (["--compare", "statistics", "--margin", "-1"], "--margin -1: is not positive"),
    ],
)
def test_options_of_the_statistics_that_do_not_fit_are_refused(planned, capsys, options, said):
    assert cli.main(["table", "1", "--profile", "toy.yaml", *options]) == 2
    assert said in capsys.readouterr().err
