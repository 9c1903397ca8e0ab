"""From a cell to what it rests on, over a store of the fake rooms."""

import json
import re
from pathlib import Path

import pytest

from ground.errors import ConfigError
from harness import aging, cli, provenance, why, worker
from harness.store import Store
from results import layout


@pytest.fixture
def finished(place, planned):
    """The store with byol's pre-training and its two fine-tunings."""
    store = Store(Path("runs"))
    for job in (job for job in planned.jobs if job.recipe == "byol"):
        store.prepare(job)
        worker.execute(store.directory(job))
    return store


def ask(capsys, *arguments, code=0):
    capsys.readouterr()
    assert cli.main(["why", *arguments, "--profile", "toy.yaml"]) == code
    return capsys.readouterr().out


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_cell_leads_to_its_runs_their_weights_and_all_about_them(planned, finished, capsys):
    text = ask(capsys, "table1/BYOL/AP")
    record = finished.look(planned.jobs[0]).record
    assert text.splitlines()[0].startswith("table1/BYOL/AP: ")
    assert "published 55.73 ± 0.28" in text
    assert "verdict on the published difference: " not in text  # the baseline has no run yet
    for job in planned.jobs[:3]:
        assert str(finished.directory(job)) in text
        assert job.key[:12] in text
    assert f"weights   backbone.safetensors, sha256 {record['outputs']['backbone.safetensors']}" in text
    assert f"fingerprint {planned.jobs[1].data['fingerprint'][:12]}" in text
    assert record["host"]["name"] in text
    assert "settings of" not in text
    assert "settings of pretrain byol" in ask(capsys, "table1/BYOL/AP", "--settings")


def test_scenes_that_are_not_there_have_no_fingerprint(place, capsys):
    text = ask(capsys, "table1/BYOL/AP")
    assert ", not generated yet, in " in text
    assert "fingerprint not" not in text


def test_json_holds_settings_hashes_and_places(planned, finished, capsys):
    told = json.loads(ask(capsys, "table1/byol/voc_detection AP", "--json"))
    assert (told["cell"], told["n"], told["faults"]) == ("table1/BYOL/AP", 2, None)
    assert [run["settings"] for run in told["runs"]] == [job.config for job in planned.jobs[1:3]]
    (weights,) = told["behind"]
    assert weights["outputs"] == finished.look(planned.jobs[0]).record["outputs"]
    assert told["runs"][0]["parents"] == {"weights": weights["name"]}
    assert told["mean"] == pytest.approx(sum(run["metrics"]["AP"] for run in told["runs"]) / 2)


def test_what_a_run_waited_for_its_images_is_said_where_it_was_measured(planned, finished, capsys):
    path = finished.directory(planned.jobs[0]) / "record.json"
    assert "waiting for images" not in ask(capsys, "table1/BYOL/AP")
    edit(path, timings={"seconds": 600.0, "waited": 30.0})
    assert "took      10 min 00 s, 30 s of it waiting for images; seed" in ask(capsys, "table1/BYOL/AP")


def test_verify_finds_what_is_not_as_recorded(planned, finished, capsys):
    assert "verified: 3 runs," in ask(capsys, "table1/BYOL/AP", "--verify")
    weights, first, second = (finished.directory(job) for job in planned.jobs[:3])
    (weights / "backbone.safetensors").write_text("others")
    edit(first / "record.json", config={"runs": 7})
    edit(second / "record.json", parents={"weights": "0" * 64})
    said = ask(capsys, "table1/BYOL/AP", "--verify", code=1)
    assert f"differs: {weights / 'backbone.safetensors'}: has hash" in said
    assert f"differs: {first / 'record.json'}: its settings are not those of job.json" in said
    assert f"differs: {second / 'record.json'}: rests on other runs than the plan says" in said
    (weights / "backbone.safetensors").unlink()
    assert "backbone.safetensors: is gone" in ask(capsys, "table1/BYOL/AP", "--verify", code=1)


def test_a_cell_without_runs_says_what_is_missing(planned, capsys):
    said = ask(capsys, "table1/BYOL/AP")
    assert "missing" in said
    assert "is not finished (missing)" in ask(capsys, "table1/BYOL/AP", "--verify", code=1)
    assert "no run: there is no recipe `odin`" in ask(capsys, "table1/Odin/AP")


def test_a_raised_version_makes_cells_stale_those_that_rest_on_it_included(finished, capsys):
    older = ("--set", "byol.version=2")
    said = ask(capsys, "table1/BYOL/AP", *older)
    assert said.count(": version 1 of byol, which is at 2 now") == 3
    assert "table1/BYOL/AP: stale; published" in said
    assert cli.main(["table", "1", "--profile", "toy.yaml", *older]) == 0
    assert "BYOL          stale" in capsys.readouterr().out
    assert cli.main(["status", "1", "--profile", "toy.yaml", *older]) == 0
    assert "o stale" in capsys.readouterr().out


def test_runs_of_other_code_are_marked_and_those_of_today_are_not(planned, finished, capsys, monkeypatch):
    monkeypatch.setattr(provenance, "changed", lambda revision, folders: 2 if folders[1] == "transfer" else 0)
    aging._changed.cache_clear()
    for job in planned.jobs[:3]:
        edit(finished.directory(job) / "record.json", code={"revision": "abcdef" * 7, "dirty": job.kind != "transfer"})
    line = "2 transfer runs ran revision abcdefabcd; 2 source files of ground and transfer are different now"
    dirty = "pretrain byol ran revision abcdefabcd with uncommitted changes"
    said = ask(capsys, "table1/BYOL/AP")
    assert f"older code: {line}\n" in said
    assert f"older code: {dirty}\n" in said
    assert cli.main(["status", "1", "--profile", "toy.yaml"]) == 0
    assert f"older code: {line}" in capsys.readouterr().out
    assert cli.main(["table", "1", "--profile", "toy.yaml", "--format", "csv-long"]) == 0
    aging._changed.cache_clear()


def test_files_changed_since_a_revision_are_counted(tmp_path):
    source = Path(__file__).parents[2] / "harness" / "provenance.py"
    assert provenance.changed("0" * 40, ("harness",), source) is None
    assert provenance.changed("HEAD", ("no-such-folder",), tmp_path / "a" / "b.py") is None


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("table1/BYOL", "does not name a cell"),
        ("tabel1/BYOL/AP", "no table `tabel1`. Did you mean `table1`?"),
        ("1/pixcon-srr/AP", "has no row `pixcon-srr`. Did you mean `pixcon-sr`?"),
        ("1/BYOL/APP50", "has no column `APP50`. Did you mean `AP50`?"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(place, capsys, cell, problem):
    assert cli.main(["why", cell, "--profile", "toy.yaml"]) == 2
    assert problem in capsys.readouterr().err


def test_what_the_statistics_say_of_a_cell_stands_below_it(place, planned, finished, capsys):
    said = ask(capsys, "1/byol/AP", "--only", "byol,random-init").splitlines()
    assert not any(line.startswith("less ") for line in said)
    for job in (job for job in planned.jobs if job.recipe == "random-init"):
        finished.prepare(job)
        worker.execute(finished.directory(job))
    said = ask(capsys, "1/random-init/AP", "--only", "byol,random-init").splitlines()
    assert re.match(r"mean: 95 % \[-?[\d.]+, [\d.]+\]$", said[2])
    words = r"less BYOL: -[\d.]+ ≈, not told apart; 95 % \[.*\]; Hedges g -[\d.]+ \[.*\]; P\(better\) 0\.\d\d$"
    assert re.match(words, said[3])


def test_runs_of_another_pre_training_are_no_older_version_of_this_one_s(planned, finished, capsys):
    said = ask(capsys, "1/byol/AP", "--pretrain-seeds", "2", "--set", "voc_detection.version=2")
    assert said.count("version 1 of voc_detection, which is at 2 now") == 2
    assert said.count("stale  ") == 2
    assert "0 of byol.scenes.s0" in said


def test_a_label_of_several_columns_needs_its_group():
    table = layout.load("2")
    assert why.locate(table, "pixcon-sr", "voc seg. miou", "").column.task == "voc_segmentation"
    with pytest.raises(ConfigError, match=r"2 columns are called `mIoU`\. Say which: `City\. Seg\. mIoU`, `VOC Seg\."):
        why.locate(table, "PixCon-SR", "mIoU", "")


def test_rows_of_one_label_are_told_apart():
    table = layout.load("table7")
    with pytest.raises(
        ConfigError, match=r"2 rows are called `PixCon-SR`\. Say which: `pixcon-sr`, `pixcon-sr-cocoplus`"
    ):
        why.locate(table, "PixCon-SR", "box AP", "")
    found = why.locate(table, "pixcon-sr-cocoplus", "box AP", "")
    assert str(found) == "table7/PixCon-SR (COCO+)/COCO box AP"
    assert why.locate(table, *str(found).split("/")[1:], "") == found


@pytest.mark.parametrize("name", layout.names())
def test_every_cell_is_found_by_its_recipe(name):
    table = layout.load(name)
    for row in table.rows:
        for column in table.columns:
            words = f"{column.group} {column.label}".strip()
            assert why.locate(table, row.recipe, words, "") == why.Address(table, row, column)


def test_numbers_that_were_edited_are_found(planned, finished, capsys):
    path = finished.directory(planned.jobs[1]) / "record.json"
    record = json.loads(path.read_text())
    edit(path, metrics=record["metrics"] | {"AP": 99.0})
    said = ask(capsys, "table1/BYOL/AP", "--verify", code=1)
    assert f"differs: {path}: was edited after the run had written it" in said
    path.write_text(json.dumps({name: value for name, value in record.items() if name != "digest"}))
    assert "of 1 runs the numbers are not checked: their records have no digest" in ask(
        capsys, "table1/BYOL/AP", "--verify"
    )


def test_copies_are_named(planned, finished, capsys):
    first, second = (finished.directory(job) / "record.json" for job in planned.jobs[1:3])
    edit(second, curve=json.loads(first.read_text())["curve"])
    said = ask(capsys, "table1/BYOL/AP")
    assert said.startswith("table1/BYOL/AP: duplicate")
    assert f"{first.parent} and {second.parent} have the same losses at every step" in said
