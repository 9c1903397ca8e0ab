"""``harness report`` over a store of the fake rooms."""

import pytest

from harness import cli, report, worker
from harness.store import Store


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


def test_an_empty_store_gives_a_page_without_pictures(place, planned):
    found = report.gather(options())
    assert [table.name for table in found.tables] == ["table1"]
    assert found.pictures == []
    assert found.newest == ""


def test_figures_that_lie_beside_the_page_are_on_it(place, finished):
    (place.folder / "out").mkdir()
    (place.folder / "out/figure2.png").write_bytes(b"\x89PNG")
    assert report.gather(options("1")).pictures[-1].title == "Weakest matches over a training"


def test_a_page_is_html(place, capsys):
    assert cli.main(["report", "--profile", "toy.yaml", "--out", "report.pdf"]) == 2
    assert "--out report.pdf: is no HTML page. Name it e.g. out/report.html" in capsys.readouterr().err
