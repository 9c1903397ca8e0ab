"""Charts of a store of the fake rooms."""

from types import SimpleNamespace

import pytest

from harness import charts, cli, status, tabulate, worker
from harness.store import Store
from results import layout


def test_charts_show_finished_runs_and_say_when_there_are_none(place, planned, capsys):
    store = Store(place.store)
    assert cli.main(["figure", "heatmap", "--profile", "toy.yaml"]) == 2
    assert "no run of these tables is finished. Run first" in capsys.readouterr().err
    for job in (job for job in planned.jobs if job.recipe == "byol"):
        store.prepare(job)
        worker.execute(store.directory(job))
    capsys.readouterr()
    assert cli.main(["figure", "heatmap", "--profile", "toy.yaml"]) == 0
    assert capsys.readouterr().out.split() == ["out/heatmap.png", "out/heatmap.pdf"]
    assert cli.main(["figure", "forest", "--profile", "toy.yaml"]) == 2
    said = capsys.readouterr().err
    assert "the baseline MoCo-V2+ has no finished run. Run it, or choose --baseline byol" in said
    assert cli.main(["figure", "forest", "--profile", "toy.yaml", "--baseline", "byol"]) == 2
    assert "only BYOL has finished runs. Run another recipe as well" in capsys.readouterr().err
    assert cli.main(["figure", "heatmap", "--profile", "toy.yaml", "--out", "a/map.svg"]) == 0
    assert "<svg" in (place.folder / "a/map.svg").read_text()


def test_charts_are_not_written_as_numbers(place, capsys):
    assert cli.main(["figure", "heatmap", "--profile", "toy.yaml", "--out", "a.json"]) == 2
    assert "only figures 1 and 2 are written as numbers" in capsys.readouterr().err


def test_a_forest_holds_the_contrasts_of_every_method_with_runs(place, planned, capsys):
    store = Store(place.store)
    for job in planned.jobs:
        store.prepare(job)
        worker.execute(store.directory(job))
    tables = tabulate.filled(planned, store, status.survey(store, planned.jobs))
    panels = charts.differences(tables[0], "random-init")
    assert [panel.title for panel in panels] == ["AP", "AP50", "AP75"]
    cells = {line.row.recipe: line.cells[0] for line in tables[0].lines}
    (first, second) = panels[0].entries
    assert (first.recipe, second.recipe) == ("byol", "pixcon-sr")
    assert first.difference == pytest.approx(cells["byol"].mean - cells["random-init"].mean)
    assert first.published is None, "the paper has no random initialisation"
    (pixcon,) = (each for each in charts.differences(tables[0], "byol")[0].entries if each.recipe == "pixcon-sr")
    paper = cells["pixcon-sr"].published.mean - cells["byol"].published.mean
    assert pixcon.published == pytest.approx(paper)
    assert first.simultaneous[0] < first.interval[0] < first.difference < first.interval[1]
    capsys.readouterr()
    assert cli.main(["figure", "forest", "--profile", "toy.yaml", "--baseline", "byol"]) == 0
    assert capsys.readouterr().out.split() == ["out/forest.png", "out/forest.pdf"]
    assert cli.main(["figure", "forest", "--profile", "toy.yaml", "--baseline", "byoll"]) == 2
    assert "is no method of table1. Did you mean `byol`?" in capsys.readouterr().err


def test_curves_of_two_recipes_of_one_label_are_not_pooled(tmp_path, capsys):
    layouts = [layout.load("table7")]
    jobs = [
        SimpleNamespace(name=recipe, recipe=recipe, task="voc_detection")
        for recipe in ("pixcon-sr", "pixcon-sr-cocoplus")
    ]
    for place, job in enumerate(jobs):
        (tmp_path / job.name).mkdir()
        (tmp_path / job.name / "curve.csv").write_text(f"step,loss\n1,{place}\n2,{place}\n")
    store = SimpleNamespace(directory=lambda job: tmp_path / job.name)
    looks = {job.name: SimpleNamespace(state="done") for job in jobs}
    with charts.curves(SimpleNamespace(layouts=layouts, jobs=jobs), store, looks) as drawn:
        words = [text.get_text() for text in drawn.axes[0].get_legend().get_texts()]
    assert words == ["PixCon-SR (COCO) (1)", "PixCon-SR (COCO+) (1)"]
    (tmp_path / "pixcon-sr" / "curve.csv").write_text("step,loss\n1,2.5\n2,\n")
    with charts.curves(SimpleNamespace(layouts=layouts, jobs=jobs), store, looks) as drawn:
        assert [axes.get_title() for axes in drawn.axes if axes.get_visible()] == ["voc detection"]
    problem = "pixcon-sr/curve.csv: line 3 (`2,`) is no step and loss"
    assert problem in capsys.readouterr().err
