"""Somebody's weights as a row of the tables, over the fake rooms."""

import json
from pathlib import Path

import pytest

from harness import cli, worker
from harness.plan import Request, build
from harness.store import Store

MINE = ("evaluate", "--weights", "mine.pth", "--name", "Theirs", "--tasks", "voc_detection")


@pytest.fixture
def weights(place, planned):
    Path("mine.pth").write_text("1 2 3")
    return Path("mine.pth")


def said(capsys, *arguments, code=0):
    """What a command without processes of its own says, blanks made one."""
    capsys.readouterr()
    assert cli.main([*arguments, "--profile", "toy.yaml"]) == code
    output = capsys.readouterr()
    return " ".join((output.out + output.err).split())


def plan(**changes):
    return build(Request(**{"tables": ("1",), "profile": "toy.yaml", "store": Path("runs"), **changes}))


def evaluated(place, name="Theirs", path="mine.pth"):
    """The jobs of weights that were evaluated in this process, done."""
    from harness import imports
    from transfer.weights import imported

    job = imports.job(name, Path(path), imports.Asked(), imported(Path(path)))
    request = {"tables": (), "recipes": (name,), "tasks": ("voc_detection",), "weights": job}
    jobs = plan(**request).jobs
    for each in jobs:
        Store(place.store).prepare(each)
        worker.execute(Store(place.store).directory(each))
    return jobs


def row(text, name="Theirs"):
    return next(line.split() for line in text.splitlines() if line.startswith(f"{name} "))


def test_a_file_becomes_a_row_beside_the_others_and_may_vanish(place, weights):
    code, output, errors = place.harness(*MINE)
    assert code == 0, errors
    assert "mine.pth (ours, resnet10_w32, tensors " in errors
    assert "3 jobs: 3 done" in errors
    assert row(output)[2] == "±"
    assert "harness table N --profile toy.yaml, for N = 1" in output
    assert place.names() == ["Theirs.r0", "Theirs.r1"]
    weights.unlink()
    code, output, errors = place.harness("run", "1", "--only", "byol,Theirs")
    assert (code, place.names()) == (0, ["Theirs.r0", "Theirs.r1", "byol", "byol.r0", "byol.r1"]), errors
    code, output, errors = place.harness("table", "1")
    assert (row(output)[2], row(output, "BYOL")[2]) == ("±", "±")
    assert "how they were trained is not known here" in " ".join(output.split())


def test_its_repeats_have_the_seeds_of_every_other_row(place, weights):
    evaluated(place)
    jobs = [job for job in plan(added=("Theirs",)).jobs if job.kind == "transfer"]
    seeds = {name: [job.seed for job in jobs if job.recipe == name] for name in ("Theirs", "byol")}
    assert seeds["Theirs"] == seeds["byol"]
    assert len(set(seeds["Theirs"])) == 2


def test_tables_status_and_plan_know_what_was_evaluated_and_nothing_else_is_run(place, weights, capsys):
    assert "Theirs" not in said(capsys, "table", "1")
    evaluated(place)
    assert [r.group for r in plan().layouts[0].rows if r.recipe == "Theirs"] == ["your weights"]
    assert "Theirs ✓ done ✓✓" in said(capsys, "status", "1")
    assert "done Theirs voc_detection 0 1" in said(capsys, "plan", "1")
    assert "Theirs" not in said(capsys, "table", "1", "--only", "byol")
    assert "Theirs" not in said(capsys, "table", "1", "--set", "voc_detection.schedule.iterations=9")
    assert "Theirs" in said(capsys, "table", "1", "--set", "voc_detection.schedule.iterations=9", "--add", "Theirs")
    assert [job.title for job in plan(recipes=("Theirs",)).jobs] == [
        "import Theirs", "voc_detection Theirs run 0", "voc_detection Theirs run 1",
    ]  # fmt: skip
    assert {layout.name for layout in plan(tables=("1", "2")).layouts if "Theirs" in layout.recipes} == {"table1"}


def test_a_row_of_another_version_of_the_task_is_stale_and_not_lost(place, weights, capsys):
    evaluated(place)
    assert "Theirs" not in said(capsys, "status", "1", "--set", "voc_detection.version=2")  # another experiment
    for path in (place.store / "transfer").glob("*/job.json"):
        path.write_text(path.read_text().replace('"version": 1', '"version": 9'))
    for path in (place.store / "transfer").iterdir():
        path.rename(path.with_name(path.name[:-1] + "x"))  # its key was another, too
    assert "Theirs ✓ done oo" in said(capsys, "status", "1")


def test_the_same_file_is_the_same_runs_wherever_it_lies(place, weights):
    before = evaluated(place)
    weights.rename("moved.pth")
    assert [job.key for job in evaluated(place, path="moved.pth")] == [job.key for job in before]
    assert place.names() == ["Theirs.r0", "Theirs.r1"]


def test_other_weights_under_the_name_need_a_choice_and_never_mix(place, weights, capsys):
    first = evaluated(place)
    Path("other.pth").write_text("4 5 6")
    other = ("evaluate", "--weights", "other.pth", *MINE[3:])
    refusal = said(capsys, *other, code=2)
    assert "--name Theirs: is in runs with other weights: mine.pth (ours, resnet10_w32, tensors" in refusal
    assert "Choose another name, or put those aside: --replace." in refusal
    code, _, errors = place.harness(*other, "--replace")
    assert code == 0, errors
    assert "put aside: runs/.replaced/import/Theirs-" in errors
    new = [job for job in plan().jobs if job.recipe == "Theirs"]
    assert not {job.key for job in new} & {job.key for job in first}
    assert all((place.store / "transfer" / job.name / "record.json").exists() for job in first[1:])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("byol", "--name byol: `byol` is a recipe of the harness. Choose another, e.g. byol-mine."),
        ("PixCon-SR", "--name PixCon-SR: `pixcon-sr` is a recipe"),
        ("a.b", "--name a.b: is no name. Use letters"),
        ("../x", "--name ../x: is no name"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name, message, weights, capsys):
    assert message in said(capsys, *MINE[:3], "--name", name, *MINE[5:], code=2)


def test_a_name_that_differs_by_case_alone_is_refused(place, weights, capsys):
    evaluated(place)
    text = said(capsys, *MINE[:3], "--name", "theirs", *MINE[5:], code=2)
    assert "--name theirs: differs from `Theirs` in runs by case alone. Write --name Theirs, or choose" in text
    assert place.names() == ["Theirs.r0", "Theirs.r1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--tasks", "voc_detectoin"), "unknown"),
        (("--weights", "gone.pth"), "gone.pth: no such file"),
        (("--weights", "broken.pth"), "broken.pth: lacks tensor `conv1.weight`"),
    ],
)
def test_nothing_is_written_for_what_cannot_be_evaluated(change, message, place, weights, capsys):
    Path("broken.pth").write_text("broken")
    arguments = dict(zip(MINE[1::2], MINE[2::2], strict=True)) | {change[0]: change[1]}
    assert message in said(capsys, "evaluate", *(word for pair in arguments.items() for word in pair), code=2)
    assert not (place.store / "import").exists()


def test_a_dry_run_says_what_would_run_and_changes_nothing(place, weights, capsys):
    text = said(capsys, *MINE, "--dry-run")
    assert "3 of 3 jobs to run" in text
    assert "note: a note" in text
    assert "another network" not in text
    assert not (place.store / "import").exists()


def test_a_dry_run_says_where_the_profile_guessed_for_another_network(place, weights, capsys):
    weights.write_text("resnet50 1")
    assert "(another network: longer than this guess)" in said(capsys, *MINE, "--dry-run")
    evaluated(place)
    assert "another network" not in said(capsys, *MINE, "--dry-run")


def test_the_tasks_network_follows_the_weights_and_the_table_says_so(place, weights, capsys):
    weights.write_text("resnet50 1")
    jobs = evaluated(place)
    assert [job.config["model"]["backbone"] for job in jobs[1:]] == ["resnet50"] * 2
    text = said(capsys, "table", "1")
    assert "Theirs: fine-tuned with resnet50 on voc_detection, where other rows have resnet10_w32." in text


def test_an_import_that_is_broken_is_named_and_the_table_stands(place, weights, capsys):
    jobs = evaluated(place)
    path = place.store / "import" / jobs[0].name / "job.json"
    path.write_text("{")
    text = said(capsys, "table", "1")
    assert "does not count: runs/import/Theirs-" in text
    assert "PixCon-SR" in text


def test_two_imports_of_one_name_are_named(place, weights, capsys):
    evaluated(place)
    weights.write_text("7 8 9")
    evaluated(place)
    assert "have one name, Theirs: delete the one that is not meant" in said(capsys, "status", "1")


def test_everything_once_more_is_not_for_files(place, weights):
    before = evaluated(place)
    weights.unlink()
    code, _, errors = place.harness("run", "1", "--only", "Theirs", "--rerun", "force")
    assert code == 0, errors
    assert place.names() == ["Theirs.r0", "Theirs.r0", "Theirs.r1", "Theirs.r1"]
    assert json.loads((place.store / "import" / before[0].name / "record.json").read_text())["status"] == "done"


def test_tensors_lost_from_the_store_come_from_the_file_if_it_is_what_it_was(place, weights):
    assert place.harness(*MINE)[0] == 0
    stored = place.directory("import", "Theirs") / "backbone.safetensors"
    stored.unlink()
    (place.directory("transfer", "voc_detection.Theirs.r0") / "record.json").unlink()
    weights.write_text("changed")
    code, _, errors = place.harness("run", "1", "--only", "Theirs")
    assert code == 1
    assert "failed: import Theirs: weights: " in errors
    assert "does not hold the weights of Theirs any more" in errors
    weights.write_text("1 2 3")
    assert place.harness("run", "1", "--only", "Theirs", "--rerun", "retry")[0] == 0
    assert stored.read_text() == "1 2 3"
