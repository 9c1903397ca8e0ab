"""Plan, status and table of recipes that rest on others."""

import re

from commanding import do, output

STAGED = ("--only", "regional,staged")


def do_until(runs, staged, title):
    """The stages of a chain up to one."""
    stages = [job for job in staged.jobs if job.kind != "transfer"]
    do(runs, *stages[: [job.title for job in stages].index(title) + 1])


def test_a_plan_lists_the_stages(place, staged, runs, capsys):
    do_until(runs, staged, "prepare regions scenes")
    lines = [re.split(r"  +", line) for line in output(capsys, "plan", "1", *STAGED).splitlines()]
    assert ["done", "prepare regions scenes"] in [line[:2] for line in lines]
    assert ["missing", "prepare alike regional", "1 min 00 s", "guess"] in lines
    assert ["missing", "staged", "pretrain", "1 min 00 s", "guess"] in lines


def test_status_shows_stages_only_where_there_are_any(place, staged, runs, capsys):
    assert "stages" not in output(capsys, "status", "1")
    place.fail("alike", "code")
    do_until(runs, staged, "prepare alike regional")
    said = output(capsys, "status", "1", *STAGED)
    lines = {line.split("  ")[0]: line.split()[1:] for line in said.splitlines() if line}
    assert ["stages", "pretrain", "voc_detection"] in [line.split() for line in said.splitlines()]
    assert lines["regional"] == ["✓", "✓", "done", "··"]
    assert lines["staged"] == ["✓✓✗", "b", "blocked", "bb"]
    assert "failed: prepare alike regional: code: RuntimeError: a bug in alike" in said


def test_a_failed_stage_is_named_with_what_waits(place):
    place.fail("regions", "data")
    code, _, errors = place.harness("run", "1", "--only", "staged")
    assert code == 1
    assert "failed: prepare regions scenes: data: scenes/1.jpg" in errors
    assert "blocked: 5 runs wait for prepare regions scenes" in errors


def test_other_versions_of_an_input_are_reported(staged, runs, capsys):
    do_until(runs, staged, "prepare regions scenes")
    said = output(capsys, "plan", "1", *STAGED, "--set", "staged.inputs.regions.version=2")
    name = next(job.name for job in staged.jobs if job.input == "regions scenes")
    assert f"stale: runs/prepare/{name}: version 1 of regions scenes, which is at 2 now" in said


def test_a_collapse_of_an_earlier_stage_is_pointed_out(place, staged, runs, capsys):
    (place.control / "collapse.regional").touch()
    do_until(runs, staged, "pretrain staged")
    assert output(capsys, "table", "1", "--only", "staged").count("regional: features collapsed") == 1
    assert "features collapsed" not in output(capsys, "table", "1", "--only", "byol")
