"""What ``status`` says of every run, and of what does not count."""

import os

from commanding import do, output

from harness import status


def test_status_shows_every_run(place, planned, runs, capsys):
    place.fail("byol.r1", "code")
    do(runs, *planned.jobs[:4])
    place.fail("random-init", "code")
    do(runs, planned.jobs[6])
    (runs.directory(planned.jobs[3]) / "record.json").unlink()  # this process lives: its claim is running …
    (runs.directory(planned.jobs[3]) / "attempts" / "0001.end").unlink()  # … if it has not said that it is over
    lines = {line.split("  ")[0]: line.split()[1:] for line in output(capsys, "status", "1").splitlines() if line}
    assert lines["BYOL"] == ["✓", "done", "✓✗"]
    assert lines["PixCon-SR"] == ["▶", "running", "100%", "··"]
    assert lines["random init"][1:] == ["✗", "failed", "bb"]
    assert lines["ORL"] == ["not", "implemented"]


def test_status_shows_a_selection_and_tasks_to_come(planned, capsys):
    selected = output(capsys, "status", "1", "--only", "byol")
    assert "PixCon-SR" not in selected
    assert "3 jobs: 3 missing" in selected
    assert output(capsys, "status", "2").count("not implemented") > 8


def test_status_tells_queued_from_missing_while_a_harness_is_at_work(planned, runs, capsys):
    runs.prepare(planned.jobs[0])
    assert "q queued  " not in output(capsys, "status", "1").partition("✓ done")[0]
    with runs.driver(planned.jobs[1:]):  # of another table, or with another --only
        assert "q queued  " not in output(capsys, "status", "1").partition("✓ done")[0]
    with runs.driver(planned.jobs[:1]):
        assert "q queued  " in output(capsys, "status", "1").partition("✓ done")[0]


def test_files_that_do_not_count_and_other_versions_are_reported(place, planned, runs, capsys):
    do(runs, *planned.jobs[:2])
    path = runs.directory(planned.jobs[1]) / "record.json"
    path.write_text("{")
    said = output(capsys, "status", "1")
    assert f"does not count: {os.path.relpath(path)}: unreadable" in said.replace(str(place.folder) + "/", "")
    assert path.exists()
    assert "unreadable (" in (table := " ".join(output(capsys, "table", "1").split()))
    assert "Does not count: " in table
    said = output(capsys, "plan", "1", "--set", "byol.version=2")
    assert f"stale: runs/pretrain/{planned.jobs[0].name}: version 1 of byol, which is at 2 now" in said


def test_blocked_is_what_waits_for_a_failure(place, planned, runs):
    place.fail("byol", "code")
    do(runs, planned.jobs[0])
    looks = status.survey(runs, planned.jobs)
    assert [looks[job.name].state for job in planned.jobs[:4]] == ["failed", "blocked", "blocked", "missing"]
    assert status.counts(looks.values()) == "6 missing, 2 blocked, 1 failed"


def test_jobs_are_counted_in_the_singular_where_there_is_one(planned, runs):
    looks = status.survey(runs, planned.jobs)
    assert status.tally(looks.values()) == "9 jobs: 9 missing"
    assert status.tally(list(looks.values())[:1]) == "1 job: 1 missing"


def test_several_tables_share_one_legend(planned, capsys):
    said = output(capsys, "status", "1", "2")
    assert said.count("profile: toy") == 2
    assert said.count(status.LEGEND) == 1


def test_an_added_recipe_has_a_row_in_status_and_table(place, planned, capsys):
    assert "\nmine  " in output(capsys, "status", "1", "--add", "mine")
    assert "\nmine  " in output(capsys, "table", "1", "--only", "mine")
