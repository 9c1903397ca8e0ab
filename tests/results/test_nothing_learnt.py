"""Runs that have learnt nothing count, and it is said; so is of what class a failure is."""

import json

import pytest

from results.render import FORMATS
from results.render.grid import grid


def cell(table, recipe="byol", column=0):
    return next(line.cells[column] for line in table.lines if line.row.recipe == recipe)


@pytest.fixture
def collapsed(table_of, one):
    """Two of five runs of a method ended at 0, one of another."""
    byol = [one(index=index, ap=ap) for index, ap in enumerate([50.0, 0.0, 51.0, 0.0, 52.0])]
    sim = [one("pixcon-sim", index, ap) for index, ap in enumerate([50.0, 49.0, 0.0])]
    return table_of([*byol, *sim])


def test_they_are_in_the_mean_and_the_cell_is_marked(collapsed):
    assert (cell(collapsed).n, cell(collapsed).zeros, cell(collapsed).mean) == (5, 2, pytest.approx(30.6))
    (byol,) = [row for block in grid(collapsed).blocks for row in block if row[0].text == "BYOL"]
    assert byol[1].text == "30.60 ± 27.94 !"
    (sim,) = [row for block in grid(collapsed).blocks for row in block if row[0].text == "PixCon-Sim"]
    assert sim[1].text.endswith("(3/5) !")


def test_a_note_says_how_many_of_which_cells(collapsed):
    assert "!: 2 of 5 runs ended at 0, and count like the others: BYOL, voc_detection AP AP50 AP75." in collapsed.notes
    assert (
        "!: 1 of 3 runs ended at 0, and count like the others: PixCon-Sim, voc_detection AP AP50 AP75."
        in collapsed.notes
    )


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("csv")])
def test_every_format_that_has_notes_says_it(collapsed, name):
    text = FORMATS[name](collapsed)
    assert "2 of 5 runs ended at 0" in text.replace("\n ", "")


def test_json_counts_them(collapsed):
    (byol,) = [row for row in json.loads(FORMATS["json"](collapsed))["rows"] if row["recipe"] == "byol"]
    assert (byol["cells"][0]["zeros"], byol["cells"][0]["constants"]) == (2, 0)


def test_a_table_without_such_runs_has_no_mark(table):
    assert "!" not in FORMATS["text"](table)


def test_one_class_everywhere_is_told_from_nothing_at_all(table_of, one):
    """The number alone does not show it."""
    runs = [one(index=index, ap=3.0 + index, constant=index == 1) for index in range(5)]
    table = table_of(runs)
    assert (cell(table).zeros, cell(table).constants) == (0, 1)
    assert any("1 of 5 runs did no better than one class everywhere, and count" in note for note in table.notes)


def test_a_failure_is_told_with_its_class(table_of, one):
    diverged = [one(index=index, state="failed", failure="diverged") for index in range(5)]
    unknown = one("pixcon-sim", state="failed")
    notes = table_of([*diverged, unknown]).notes
    assert "Failed (diverged): " + ", ".join(run.path for run in diverged[:3]) + " and 2 more." in notes
    assert f"Failed: {unknown.path}." in notes
