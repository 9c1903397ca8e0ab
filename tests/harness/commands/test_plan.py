"""What ``plan`` says of jobs to come, their stages and their time."""

import json

from commanding import do, output


def took(runs, job, seconds):
    """As if a finished job had taken so long."""
    path = runs.directory(job) / "record.json"
    record = json.loads(path.read_text())
    record["timings"]["seconds"] = seconds
    path.write_text(json.dumps(record))


def test_plan_says_what_would_run_and_how_long_by_measured_jobs(place, planned, runs, capsys):
    before = output(capsys, "plan", "1", "--workers", "2")
    assert "9 of 9 jobs to run" in before
    assert "the profile's guess" in before
    do(runs, *planned.jobs[:2], planned.jobs[3])
    took(runs, planned.jobs[1], seconds=40.0)
    after = output(capsys, "plan", "1", "--workers", "1")
    assert "6 of 9 jobs to run: 3 min 25 s of work, 3 min 25 s with 1 at once (measured)" in after
    assert "done     byol         voc_detection  0" in after
    assert not (place.store / "transfer" / planned.jobs[2].name).exists()


def test_a_task_that_another_recipe_was_fine_tuned_on_is_measured(place, planned, runs, capsys):
    initial, tuned = planned.jobs_of("random-init", None)[0], planned.jobs_of("random-init", "voc_detection")[0]
    do(runs, initial, tuned)
    took(runs, tuned, seconds=40.0)
    text = output(capsys, "plan", "1", "--only", "byol")
    assert "voc_detection  0 1   40 s" in text
    assert "(partly the profile's guess; measured: voc_detection)" in text
    other = output(capsys, "plan", "1", "--only", "byol", "--set", "voc_detection.model.backbone=resnet50")
    assert "40 s" not in other


def test_a_plan_before_the_scenes_are_there_says_so(place, capsys):
    assert "are generated first" in output(capsys, "plan", "1")
    assert not (place.folder / "data").exists()


def test_recipes_may_be_named_in_one_option_or_in_several(planned, capsys):
    once = output(capsys, "plan", "1", "--only", "byol,pixcon-sr")
    assert output(capsys, "plan", "1", "--only", "byol", "--only", "pixcon-sr") == once
    assert "byol" in once
    assert "pixcon-sr" in once
