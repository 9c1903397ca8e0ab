"""From runs to cells: means, deviations, states, and what a table says below."""

import statistics
import subprocess
import sys
from dataclasses import replace

import pytest

from ground.errors import UserError


def cell(table, recipe, column=0):
    return next(line.cells[column] for line in table.lines if line.row.recipe == recipe)


def test_mean_and_sample_deviation_are_those_of_the_standard_library(table, runs):
    for column, metric in enumerate(["AP", "AP50", "AP75"]):
        values = [run.metrics[metric] for run in runs if run.recipe == "byol"]
        ours = cell(table, "byol", column)
        assert ours.mean == pytest.approx(statistics.mean(values), rel=1e-14)
        assert ours.std == pytest.approx(statistics.stdev(values), rel=1e-12)  # n - 1; numpy's default is n
        assert (ours.n, ours.expected, ours.state) == (5, 5, "done")


def test_the_order_of_the_runs_does_not_matter(table, table_of, runs):
    assert table_of(runs[::-1]) == table


def test_equal_runs_have_no_deviation(table_of, one):
    table = table_of([one(index=index, ap=0.1 + 0.2) for index in range(3)])
    assert cell(table, "byol").std == 0.0


def test_one_run_has_no_deviation(table):
    ours = cell(table, "pixcon-sim")
    assert (ours.mean, ours.std, ours.n, ours.state) == (53.125, None, 1, "missing")


def test_every_cell_knows_its_runs_and_its_published_value(table):
    ours = cell(table, "mocov2plus")
    assert [run.path[-2:] for run in ours.runs] == ["r0", "r1", "r2", "r3", "r4"]
    assert (ours.published.mean, ours.published.std, ours.published.runs) == (54.63, 0.26, 5)
    assert cell(table, "random-init").published is None


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([], "missing"),
        (["missing", "queued"], "queued"),
        (["interrupted", "queued", "missing"], "interrupted"),
        (["failed", "blocked", "queued"], "failed"),
        (["running", "failed"], "running"),
        (["done", "done", "done", "done", "failed"], "failed"),
        (["done"] * 5, "done"),
    ],
)
def test_a_cell_is_in_the_most_telling_state_of_its_runs(table_of, one, states, state):
    table = table_of([one(index=index, state=each) for index, each in enumerate(states)])
    assert cell(table, "byol").state == state


def test_rows_and_columns_that_do_not_exist_yet_keep_their_published_value(table_of, runs):
    table = table_of(runs)
    assert {cell(table, recipe).state for recipe in ("orl", "odin", "slotcon")} == {"not implemented"}
    assert cell(table, "odin", 2).published.mean == 63.29
    without_task = table_of(runs, known_tasks=[])
    assert {each.state for line in without_task.lines for each in line.cells} == {"not implemented"}
    assert {each.mean for line in without_task.lines for each in line.cells} == {None}


def test_runs_of_other_recipes_and_tasks_are_left_aside(table, table_of, runs, one):
    others = [one("densecl", profile="paper"), one("byol", task="cityscapes", tool="mmsegmentation 1.2.2")]
    assert table_of(runs + others) == table


def test_a_profile_that_is_not_the_papers_is_never_comparable(table_of, runs):
    smoke = table_of(runs)
    assert smoke.notes[0] == "Not comparable with the published numbers: profile smoke."
    assert not smoke.comparable
    paper = table_of([replace(run, profile="paper") for run in runs], profile="paper")
    assert paper.comparable
    assert [note for note in paper.notes if "comparable" in note] == []
    tried = table_of([], profile="paper", deviations=["generated scenes", "train.epochs=3"])
    assert tried.notes[0] == "Not comparable with the published numbers: generated scenes; train.epochs=3."
    assert not tried.comparable


def test_notes_say_what_the_numbers_are(table, table_of):
    notes = "\n".join(table.notes)
    for words in ("sample standard deviation (n − 1)", "torchvision 0.26.0", "Seeds label repeats", "(k/n)"):
        assert words in notes
    assert "r3, runs/transfer/pixcon-sr.voc_detection.r1, runs/transfer/pixcon-sr.voc_detection.r2 and 2 more" in notes
    empty = table_of([])
    assert "±" not in "".join(empty.notes[2:])
    assert empty.tool == ""


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"curve": "c"}, "the same losses at every step"),
        ({"seed": 7, "ap": 51.0, "curve": ""}, "one seed"),
        ({"curve": ""}, "the same numbers to the last bit"),
    ],
)
def test_repeats_that_are_copies_are_not_printed_as_several_and_others_are(table_of, one, changes, what):
    sound = [one("pixcon-sr", index, 50.0 + index) for index in range(2)]
    others = {name: value for name, value in changes.items() if name != "ap"}
    table = table_of([one(index=0, **others), one(**{"index": 1, **changes}), *sound])
    cells = {line.row.recipe: line.cells[0] for line in table.lines}
    assert (cells["byol"].state, cells["byol"].mean, cells["byol"].n) == ("duplicate", None, 0)
    assert cells["pixcon-sr"].mean == 50.5
    paths = "runs/transfer/byol.voc_detection.r0 and runs/transfer/byol.voc_detection.r1"
    assert f"{paths} have {what}: they are no two runs. Delete one's folder and run again." in table.notes


def test_a_copy_without_a_curve_is_told_by_its_numbers(table_of, one):
    table = table_of([one(index=0), one(index=1, curve="")])
    assert table.lines[0].cells[0].state == "duplicate"


def test_equal_numbers_of_other_curves_or_of_nothing_learnt_are_no_copies(table_of, one, runs):
    apart = table_of([one(index=index, seed=index) for index in range(2)])
    nothing_learnt = table_of([one(index=index, ap=0.0, curve="") for index in range(2)])
    for table in (apart, nothing_learnt, table_of(runs)):
        assert not any("no two runs" in note for note in table.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"path": "runs/copy"}, "both are run 0 of byol on voc_detection"),
        ({"index": 1, "path": "runs/copy", "key": "byol-0"}, "runs 0 and 1 of byol on voc_detection are one job"),
        ({"index": 1, "path": "runs/copy", "data": "VOC"}, "voc_detection ran with two data sets, `scenes` and `VOC`"),
        (
            {"recipe": "pixcon-sr", "path": "runs/copy", "tool": "detectron2 0.6"},
            "with two tools, `torchvision 0.26.0`",
        ),
        (
            {"index": 1, "path": "runs/copy", "device": "cuda"},
            "voc_detection ran with two devices, `cpu` and `cuda`. Run all anew with one: --rerun force",
        ),
    ],
)
def test_runs_that_must_not_share_a_table_are_refused_with_both_paths(table_of, one, changes, said):
    with pytest.raises(UserError) as refusal:
        table_of([one(), one(**changes)])
    assert str(refusal.value).startswith("runs/transfer/byol.voc_detection.r0 and runs/copy: ")
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"profile": "mini"}, "is a run of profile `mini` in a table of profile `smoke`"),
        ({"metrics": {"AP": 1.0, "AP50": 2.0}}, "has no metric `AP75` (it has: AP, AP50)"),
        ({"metrics": {"AP": float("nan"), "AP50": 2.0, "AP75": 1.0}}, "its AP is nan"),
    ],
)
def test_a_run_that_does_not_fit_is_refused_with_its_path(table_of, one, changes, said):
    with pytest.raises(UserError) as refusal:
        table_of([one(index=1), one(**changes)])
    assert str(refusal.value).startswith("runs/transfer/byol.voc_detection.r0: ")
    assert said in str(refusal.value)


def test_other_models_and_versions_are_a_note(table_of, one):
    first = one(index=0, hardware="H100", versions={"torch": "2.11", "numpy": "2.0"})
    note = "voc_detection ran with 2 versions of torch: 2.10, 2.11. Small differences may come from that."
    notes = table_of([first, one(index=1, hardware="H100", versions={"torch": "2.10", "numpy": "2.0"})]).notes
    assert [each for each in notes if " ran with " in each] == [note]
    notes = table_of([first, one(index=1, hardware="A100", versions=first.versions)]).notes
    assert any(each.startswith("voc_detection ran with 2 devices: A100, H100.") for each in notes)


def test_two_tasks_may_have_two_tools(table_of, one):
    runs = [one(), one(task="cityscapes", metrics={"mIoU": 70.0}, key="c", data="Cityscapes", tool="mmsegmentation")]
    tasks = {"voc_detection": 5, "cityscapes": 3}
    table = table_of(runs, "table7", expected=tasks, known_tasks=list(tasks), known_recipes=["byol"])
    assert table.tool == ""  # Table 7 has no row for BYOL
    runs = [replace(run, recipe="pixcon-sr") for run in runs]
    table = table_of(runs, "table7", expected=tasks, known_tasks=list(tasks), known_recipes=["pixcon-sr"])
    assert table.tool == "mmsegmentation, torchvision 0.26.0"
    assert [each.n for each in next(line for line in table.lines if line.row.recipe == "pixcon-sr").cells][:6] == [
        *(1, 1, 1),
        *(0, 0),
        1,
    ]


def test_importing_the_table_and_its_renderers_imports_nothing_heavy():
    code = "import sys, results.table, results.render; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"pandas", "numpy", "torch", "scipy", "tabulate"} & set(loaded) == set()
