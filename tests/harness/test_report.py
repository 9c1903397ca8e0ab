"""``harness report`` over a store of the fake rooms."""

import json

import pytest

from harness import cli, report, tabulate, worker
from harness.store import Store
from results.report import page
from results.runs import RunsError


@pytest.fixture
def finished(place, planned, capsys):
    """byol is done, but for its last run, which failed."""
    store = Store(place.store)
    place.fail("byol.r1", "code")
    for job in (job for job in planned.jobs if job.recipe == "byol"):
        store.prepare(job)
        worker.execute(store.directory(job))
    # The fake rooms print to this process's output; the log is what a job's own process would have written.
    store.append_log(planned.jobs[2], "\n".join(f"line {k}" for k in range(100)))
    capsys.readouterr()
    return store


def options(*arguments):
    return cli._parser().parse_args(["report", *arguments, "--profile", "toy.yaml"])


def test_the_page_holds_tables_progress_failures_and_provenance(place, planned, finished, capsys):
    assert cli.main(["report", "--profile", "toy.yaml"]) == 0
    assert capsys.readouterr().out == "out/report.html\n"
    text = (place.folder / "out/report.html").read_text()
    for words in ("Table 1", "RuntimeError", "line 99", "Method × task", planned.jobs[0].key[:12]):
        assert words in text
    assert "line 59\n" not in text
    assert "Table 3" not in text  # of whose rows and columns nothing has begun


def test_what_is_gathered_is_what_the_store_says(place, planned, finished):
    found = report.gather(options("1"))
    assert [table.name for table in found.tables] == ["table1"]
    assert [work.title for work in found.works] == [job.title for job in planned.jobs]
    assert (
        dict(found.progress)["fine-tuning"] | {"done": 1, "failed": 1, "missing": 4}
        == dict(found.progress)["fine-tuning"]
    )
    (failure,) = found.failures
    assert failure.title == "voc_detection byol run 1"
    assert failure.tail.splitlines()[-1] == "line 99"
    assert len(failure.tail.splitlines()) == report.TAIL
    record = finished.look(planned.jobs[0]).record
    assert found.works[0].weights == record["outputs"]["backbone.safetensors"]


def test_a_page_is_called_by_its_tables(planned, finished):
    titles = [report.gather(options(*tables)).title.partition(": ")[2] for tables in ("1", "13", "127")]
    assert titles == ["Table 1", "Tables 1 and 3", "Tables 1, 2 and 7"]


def test_an_empty_store_gives_a_page_without_pictures(place, planned):
    found = report.gather(options())
    assert [table.name for table in found.tables] == ["table1"]
    assert found.pictures == []
    assert found.newest == ""


def test_figures_beside_the_page_are_on_it_if_they_are_of_its_profile_and_data(place, planned, finished):
    (place.folder / "out").mkdir()
    (place.folder / "out/figure2.png").write_bytes(b"\x89PNG")
    numbers, title = place.folder / "out/figure2.json", "Weakest matches over a training"

    def shown(**told):
        numbers.write_text(json.dumps(told))
        return [picture for picture in report.gather(options("1")).pictures if picture.title == title]

    assert title not in [picture.title for picture in report.gather(options("1")).pictures]  # nothing says of what
    own = {"profile": planned.label, "data": planned.source.words}
    assert shown(**own | {"profile": "paper"}) == shown(**own | {"data": "others"}) == shown() == []
    (picture,) = shown(**own)
    assert planned.label in picture.words
    assert planned.source.words in picture.words


def test_a_table_that_cannot_be_made_leaves_the_others(place, finished, monkeypatch):
    filled = tabulate.filled

    def fail(plan, *rest):
        if plan.layouts[0].name == "table4":
            raise RunsError("table4", "mixes tools", "Delete the older runs.")
        return filled(plan, *rest)

    monkeypatch.setattr(tabulate, "filled", fail)
    found = report.gather(options())
    assert [table.name for table in found.tables] == ["table1"]
    ((title, words),) = found.unmade
    assert words == "table4: mixes tools. Delete the older runs."
    text = page.render(found)
    assert title in text
    assert words in text


def test_a_page_is_html(place, capsys):
    assert cli.main(["report", "--profile", "toy.yaml", "--out", "report.pdf"]) == 2
    assert "--out report.pdf: is no HTML page. Name it e.g. out/report.html" in capsys.readouterr().err
