"""Charts of a store of the fake rooms."""

from harness import cli, worker
from harness.store import Store


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
    assert cli.main(["figure", "heatmap", "--profile", "toy.yaml", "--out", "a/map.svg"]) == 0
    assert "<svg" in (place.folder / "a/map.svg").read_text()


def test_charts_are_not_written_as_numbers(place, capsys):
    assert cli.main(["figure", "heatmap", "--profile", "toy.yaml", "--out", "a.json"]) == 2
    assert "only figures 1 and 2 are written as numbers" in capsys.readouterr().err
