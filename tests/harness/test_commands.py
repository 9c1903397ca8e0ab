"""Run, plan, status and table over a store of the fake rooms."""

import importlib
import json
import os
import re
import time
from pathlib import Path

import pytest

from harness import cli, commands, display, status, worker
from harness.display import Bars, Overall, Plain, numbers
from harness.estimate import INITIAL_SECONDS, Estimates
from harness.plan import Request, build
from harness.reconcile import Running
from harness.store import Store


@pytest.fixture
def runs(place, planned):
    return Store(place.store)


def do(runs, *jobs):
    for job in jobs:
        runs.prepare(job)
        worker.execute(runs.directory(job))


def output(capsys, *arguments):
    capsys.readouterr()  # what workers in this process have said
    assert cli.main([*arguments, "--profile", "toy.yaml"]) == 0
    return capsys.readouterr().out


def test_run_does_what_is_missing_says_so_and_then_has_nothing_to_do(place):
    code, _, errors = place.harness("run", "1", "--only", "byol", "--workers", "2")
    assert code == 0, errors
    assert "3 jobs: 3 done" in errors
    assert "[100%" in errors
    code, _, errors = place.harness("run", "1", "--only", "byol")
    assert (code, errors.count("\n")) == (0, 1)
    assert place.names() == ["byol", "byol.r0", "byol.r1"]


def test_a_failed_run_names_the_error_the_log_and_what_waits(place):
    place.fail("byol", "data")
    code, _, errors = place.harness("run", "1", "--only", "byol")
    assert code == 1
    assert "failed: pretrain byol: data: scenes/1.jpg: is truncated. Replace it." in errors
    log = errors.partition("log: ")[2].split("\n")[0]
    assert "is truncated" in (place.folder / log).read_text()
    assert "blocked: 2 runs wait for pretrain byol" in errors
    assert "--rerun retry" in errors
    place.mend("byol")
    assert place.harness("run", "1", "--only", "byol")[0] == 1
    assert place.harness("run", "1", "--only", "byol", "--rerun", "retry")[0] == 0


def test_never_runs_nothing(place, planned, capsys):
    assert cli.main(["run", "1", "--rerun", "never", "--profile", "toy.yaml"]) == 0
    assert "9 jobs: 9 missing" in capsys.readouterr().err
    assert place.names() == []


def test_plan_says_what_would_run_and_how_long_by_measured_jobs(place, planned, runs, capsys):
    before = output(capsys, "plan", "1", "--workers", "2")
    assert "9 of 9 jobs to run" in before
    assert "the profile's guess" in before
    do(runs, *planned.jobs[:2], planned.jobs[3])
    path = runs.directory(planned.jobs[1]) / "record.json"
    record = json.loads(path.read_text())
    record["timings"]["seconds"] = 40.0
    path.write_text(json.dumps(record))
    after = output(capsys, "plan", "1", "--workers", "1")
    assert "6 of 9 jobs to run: 3 min 25 s of work, 3 min 25 s with 1 at once (measured)" in after
    assert "done     byol         voc_detection  0" in after
    assert not (place.store / "transfer" / planned.jobs[2].name).exists()


def test_a_task_that_another_recipe_was_fine_tuned_on_is_measured(place, planned, runs, capsys):
    initial, tuned = planned.jobs_of("random-init", None)[0], planned.jobs_of("random-init", "voc_detection")[0]
    do(runs, initial, tuned)
    path = runs.directory(tuned) / "record.json"
    record = json.loads(path.read_text())
    record["timings"]["seconds"] = 40.0
    path.write_text(json.dumps(record))
    text = output(capsys, "plan", "1", "--only", "byol")
    assert "voc_detection  0 1   40 s" in text
    assert "(partly the profile's guess; measured: voc_detection)" in text
    other = output(capsys, "plan", "1", "--only", "byol", "--set", "voc_detection.model.backbone=resnet50")
    assert "40 s" not in other


def test_a_plan_before_the_scenes_are_there_says_so(place, capsys):
    assert "are generated first" in output(capsys, "plan", "1")
    assert not (place.folder / "data").exists()


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


def test_a_task_without_data_is_named_and_the_others_run(place, capsys):
    real = place.folder / "real"
    (real / "coco" / "train2017").mkdir(parents=True)
    (real / "coco" / "train2017" / "1.jpg").write_text("one")
    (real / "voc.txt").write_text("boxes")
    (place.control / "tasks").write_text("cityscapes")
    asked = ("1", "2", "--only", "byol", "--data", "real")
    line = "no data for cityscapes: real/cityscapes.txt: no such file. Check --data."
    code, output, _ = place.harness("plan", *asked)
    assert (code, line in output, "3 of 3 jobs to run" in output) == (1, True, True)
    code, _, errors = place.harness("run", *asked)
    assert code == 1
    assert "3 jobs: 3 done" in errors
    assert line in errors
    assert cli.main(["status", *asked, "--profile", "toy.yaml"]) == 0
    assert re.search(r"BYOL +✓ done +no data +not implemented", capsys.readouterr().out)
    assert cli.main(["table", "2", "--only", "byol", "--data", "real", "--profile", "toy.yaml"]) == 2
    assert cli.main(["table", *asked, "--profile", "toy.yaml"]) == 0
    output = capsys.readouterr().out
    assert re.search(r"BYOL .* no data", output)
    assert line in output


def test_status_of_a_selection_and_of_tasks_to_come(planned, capsys):
    selected = output(capsys, "status", "1", "--only", "byol")
    assert "PixCon-SR" not in selected
    assert "3 jobs: 3 missing" in selected
    assert output(capsys, "status", "2").count("not implemented") > 8


def test_a_table_without_anything_to_run_generates_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("transfer.tasks.names", lambda: ["voc_detection"])
    (tmp_path / "few.yaml").write_text("description: one task\nscenes: {}\nseconds: {pretrain: 1, transfer: 1}\n")
    assert cli.main(["run", "2", "--profile", "few.yaml"]) == 0
    assert "there is nothing to run" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_status_tells_queued_from_missing_while_a_harness_is_at_work(planned, runs, capsys):
    runs.prepare(planned.jobs[0])
    assert "q queued  " not in output(capsys, "status", "1").partition("✓ done")[0]
    with runs.driver():
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


def test_the_table_is_filled_from_finished_runs(place, planned, runs, capsys):
    do(runs, *planned.jobs[:3], *planned.jobs[3:5])
    text = output(capsys, "table", "1")
    metrics = [runs.look(job).record["metrics"]["AP"] for job in planned.jobs[1:3]]
    assert f"{sum(metrics) / 2:.2f} ±" in text
    assert "(1/2)" in text
    assert "profile: toy.yaml;" in text
    assert "torchvision 0" in text
    output(capsys, "table", "1", "--out", "out/1.csv", "--out", "out/1.tex", "--out", "out/1.txt")
    assert (place.folder / "out" / "1.txt").read_text() == text
    assert "tabular" in (place.folder / "out" / "1.tex").read_text()
    assert (place.folder / "out" / "1.csv").read_text().count("\n") > 5


def test_a_repeat_that_copies_another_spoils_its_cell_alone(planned, runs, capsys):
    do(runs, *planned.jobs[:6])
    first, second = (runs.directory(job) / "record.json" for job in planned.jobs[1:3])
    copied = json.loads(second.read_text()) | {"curve": json.loads(first.read_text())["curve"]}
    second.write_text(json.dumps(copied))
    text = output(capsys, "table", "1")
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert "duplicate" in rows["BYOL"]
    assert "±" in rows["PixCon-SR"]
    said = " ".join(text.split())
    assert f"{first.parent.name} and runs/transfer/{second.parent.name} have the same losses at every step" in said


def test_a_protocol_given_up_is_marked_on_the_table(planned, capsys):
    assert "with another batch" not in output(capsys, "table", "1")
    text = " ".join(output(capsys, "table", "1", "--set", "transfer.waive=[batch]").split())
    assert "Not comparable with the published numbers: profile toy.yaml" in text
    assert "; voc_detection with another batch." in text


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("cluster", "device", "words"),
    [("local", "cuda", "gives a job one GPU"), ("debug", "cpu", "runs a job in one process")],
)
def test_more_processes_than_this_machine_starts_for_a_job_are_refused(command, place, capsys, cluster, device, words):
    asked = ["--cluster", cluster, "--set", "transfer.processes=2", "--set", f"transfer.device={device}"]
    assert cli.main([command, "1", "--profile", "toy.yaml", *asked]) == 2
    refusal = (
        f"task `voc_detection`: field `processes` = 2: `--cluster {cluster}` {words}. Set voc_detection.processes=1"
    )
    assert refusal in capsys.readouterr().err
    assert not (place.folder / "data").exists()


def test_overrides_are_shown_on_the_table(planned, capsys):
    text = output(capsys, "table", "1", "--set", "byol.train.epochs=3")
    assert "profile: toy.yaml + overrides;" in text
    assert "- overrides: byol.train.epochs=3\n" in text


def test_blocked_is_what_waits_for_a_failure(place, planned, runs):
    place.fail("byol", "code")
    do(runs, planned.jobs[0])
    looks = status.survey(runs, planned.jobs)
    assert [looks[job.name].state for job in planned.jobs[:4]] == ["failed", "blocked", "blocked", "missing"]
    assert status.counts(looks.values()) == "6 missing, 2 blocked, 1 failed"


PROGRESS = {
    "step": 30,
    "total": 120,
    "seconds": 10.0,
    "left": 30.0,
    "numbers": {"loss": 3.21456, "images_per_second": 412.3},
}


def test_numbers_are_for_people():
    assert numbers(PROGRESS) == "30/120  30 s to go  loss 3.215  412 images/s"
    assert numbers({}) == "starting"
    slow = PROGRESS | {"numbers": {"loss": 3.0, "images_per_second": 412.3, "waits_for_images": 0.349}}
    assert numbers(slow) == "30/120  30 s to go  loss 3  412 images/s  waits for images 35%"


def test_overall_progress_weighs_jobs_by_their_seconds(planned):
    overall = Overall(planned.jobs, Estimates(planned.profile.seconds), workers=1)
    parents, children = planned.profile.seconds.pretrain, planned.profile.seconds.transfer
    share, seconds = overall.measure([], planned.jobs)
    assert (share, seconds) == (0, 2 * parents + INITIAL_SECONDS + 6 * children)
    running = [Running(planned.jobs[0], PROGRESS, False)]
    share, seconds = overall.measure(running, planned.jobs)
    # The trained parent to come will take what this one will have taken; random-init trains nothing.
    assert seconds == 30 + 40 + INITIAL_SECONDS + 6 * children
    assert share == pytest.approx(10 / (10 + seconds))
    assert overall.measure([], [])[0] == 1


def test_lines_come_now_and_then(planned, runs, capsys, monkeypatch):
    plain = Plain(Overall(planned.jobs, Estimates(planned.profile.seconds), 2))
    plain.started(planned.jobs[0], 1)
    plain.tick([Running(planned.jobs[0], PROGRESS, False)], planned.jobs)
    monkeypatch.setattr(display, "LINE_SECONDS", 0)
    plain.tick([Running(planned.jobs[0], PROGRESS, False)], planned.jobs)
    do(runs, planned.jobs[0])
    plain.ended(planned.jobs[0], runs.look(planned.jobs[0]))
    last = capsys.readouterr().err.splitlines()[-1]
    assert ", 1/9 jobs, " in last
    assert "done   pretrain byol" in last


def test_bars_follow_the_running_jobs(planned, runs):
    from io import StringIO

    from rich.console import Console
    from rich.progress import Progress, TextColumn

    screen = StringIO()
    columns = TextColumn("{task.description}"), TextColumn("{task.fields[words]}")
    with Progress(*columns, console=Console(file=screen, width=200), auto_refresh=False) as progress:
        bars = Bars(Overall(planned.jobs, Estimates(planned.profile.seconds), 2), progress)
        bars.started(planned.jobs[0], 2)
        bars.tick([Running(planned.jobs[0], PROGRESS, False), Running(planned.jobs[3], {}, True)], planned.jobs)
        shown = {task.description: (task.completed, task.total, task.fields["words"]) for task in progress.tasks}
        assert shown["pretrain byol"] == (30, 120, "30/120  30 s to go  loss 3.215  412 images/s")
        assert shown["pretrain pixcon-sr"] == (0, None, "(another harness)  starting")
        assert re.match(r"\d+%  0/9 jobs  .* to go", shown["all jobs"][2])
        do(runs, planned.jobs[0])
        bars.ended(planned.jobs[0], runs.look(planned.jobs[0]))
        bars._drawn = 0
        bars.tick([], planned.jobs[1:])
        assert [task.description for task in progress.tasks] == ["all jobs"]
    assert "start 2 of pretrain byol: the last one was interrupted" in screen.getvalue()
    assert "done   pretrain byol" in screen.getvalue()


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        ("real", (), None),
        ("real", ("--set", "pretrain.train.workers=3"), None),
        ("scenes", (), "generated scenes"),
        ("real", ("--pretrain-images", "mine"), "pre-trained on other images"),
        ("real", ("--set", "byol.train.epochs=3"), "profile paper + overrides"),
    ],
)
def test_what_departs_from_the_paper_is_said_and_nothing_else(place, capsys, data, options, said):
    write = importlib.import_module("transfer.scenes.write")
    write.write(place.folder / "real", spec(), lambda step, total: None)
    write.write(place.folder / "scenes", spec(), lambda step, total: None)
    (place.folder / "real" / write.DONE).unlink()
    (place.folder / "mine").mkdir()
    (place.folder / "mine" / "1.jpg").touch()
    assert cli.main(["table", "1", "--profile", "paper", "--data", data, *options]) == 0
    warning = f"- Not comparable with the published numbers: {said}.\n"
    text = capsys.readouterr().out
    assert (warning in text) if said else ("Not comparable" not in text)


def test_a_part_of_the_data_is_not_comparable_and_counted_once(place, capsys):
    write, data = (importlib.import_module(name) for name in ("transfer.scenes.write", "transfer.data"))
    real = place.folder / "real"
    write.write(real, spec(), lambda step, total: None)
    (real / write.DONE).unlink()
    (real / "voc.txt").write_text("part")
    for path in (real, *real.rglob("*")):
        os.utime(path, (time.time() - 100, time.time() - 100))
    for _ in range(2):
        assert cli.main(["table", "1", "--profile", "paper", "--data", "real"]) == 0
        warning = "Not comparable with the published numbers: voc VOC2007/test has 4 images of 4952."
        assert warning in capsys.readouterr().out
    assert data.counts.calls == 1


def spec():
    return importlib.import_module("transfer.scenes.spec").SceneSpec()


def test_a_file_called_paper_is_not_the_papers_profile(place, planned, capsys):
    (place.folder / "paper.yaml").write_text("extends: paper\n")
    assert cli.main(["table", "1", "--profile", "paper.yaml", "--data", str(planned.source.root)]) == 0
    assert "Not comparable with the published numbers: profile paper.yaml; generated scenes." in capsys.readouterr().out


def test_collapsed_features_are_pointed_out(place, planned, runs, capsys):
    (place.control / "collapse.byol").touch()
    do(runs, planned.jobs[0], planned.jobs[3])
    plain = Plain(Overall(planned.jobs, Estimates(planned.profile.seconds), 2))
    for job in (planned.jobs[0], planned.jobs[3]):
        plain.ended(job, runs.look(job))
    first, second = capsys.readouterr().err.splitlines()[-2:]
    assert "WARNING: features collapsed (feature_std 0.01" in first
    assert "WARNING" not in second
    assert output(capsys, "table", "1").count("features collapsed") == 1


def test_an_added_recipe_has_a_row_in_status_and_table(place, planned, capsys):
    assert "\nmine  " in output(capsys, "status", "1", "--add", "mine")
    assert "\nmine  " in output(capsys, "table", "1", "--only", "mine")


def test_advice_follows_what_the_next_run_will_do(place, planned, runs):
    place.fail("byol", "storage")
    place.fail("pixcon-sr", "data")
    do(runs, planned.jobs[0], planned.jobs[3])
    storage, data = runs.look(planned.jobs[0]), runs.look(planned.jobs[3])
    assert commands._advice([storage]) == ["Failures of storage, memory or node are tried again by the next run."]
    (line,) = commands._advice([data])
    assert "--rerun retry" in line
    killed = runs.look(planned.jobs[6])
    assert commands._advice([killed]) == []
    assert killed.reason.endswith("Run again to go on from its checkpoint")


def test_a_narrow_terminal_loses_numbers_not_the_time_to_go(planned):
    from io import StringIO

    from rich.console import Console
    from rich.progress import Progress, TextColumn

    column = TextColumn("{task.fields[words]}")
    with Progress(column, console=Console(file=StringIO(), width=70), auto_refresh=False) as progress:
        bars = Bars(Overall(planned.jobs, Estimates(planned.profile.seconds), 2), progress)
        bars.tick([Running(planned.jobs[0], PROGRESS, False)], planned.jobs)
        cut = {task.description: task.fields["words"] for task in progress.tasks}
        assert cut["pretrain byol"] == "30/120  30 s to go  loss"


STAGED = ("--only", "regional,staged")


def do_until(runs, staged, title):
    """The stages of a chain up to one."""
    stages = [job for job in staged.jobs if job.kind != "transfer"]
    do(runs, *stages[: [job.title for job in stages].index(title) + 1])


def test_a_plan_lists_the_stages(place, staged, runs, capsys):
    do_until(runs, staged, "prepare regions scenes")
    lines = [re.split(r"  +", line) for line in output(capsys, "plan", "1", *STAGED).splitlines()]
    assert ["done", "prepare regions scenes"] in [line[:2] for line in lines]
    assert ["missing", "prepare alike regional", "1 min 00 s"] in lines
    assert ["missing", "staged", "pretrain", "1 min 00 s"] in lines


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


def test_recipes_may_be_named_in_one_option_or_in_several(planned, capsys):
    once = output(capsys, "plan", "1", "--only", "byol,pixcon-sr")
    assert output(capsys, "plan", "1", "--only", "byol", "--only", "pixcon-sr") == once
    assert "byol" in once
    assert "pixcon-sr" in once


def test_a_table_of_several_pre_trainings_says_what_its_deviation_holds(place, planned, runs, capsys):
    do(runs, *build(Request(tables=("1",), profile="toy.yaml", recipes=("byol",), pretrainings=2)).jobs)
    options = ("table", "1", "--only", "byol", "--pretrain-seeds", "2")
    text = output(capsys, *options)
    assert "± of cells of 2 pre-trainings" in text
    assert "2 pre-trainings of each recipe, seeds 0 to 1" in text
    assert "std by source" in " ".join(
        output(capsys, *options, "--compare", "statistics", "--baseline", "byol").split()
    )
    one = output(capsys, "table", "1", "--only", "byol")
    assert "over fine-tuning runs of one pre-training" in one


def test_a_table_shows_what_the_reader_asks_for(planned, runs, capsys):
    do(runs, *planned.jobs)
    assert "published" in output(capsys, "table", "1").split("\n\n")[1]
    assert "published" not in output(capsys, "table", "1", "--compare", "none").split("\n\n")[1]
    judged = output(capsys, "table", "1", "--compare", "statistics", "--margin", "1", "--no-std")
    assert "less MoCo-V2+" in judged.split("\n\n")[1]
    assert "±" not in judged.split("\n\n")[1]
    for suffix in ("html", "json", "md"):
        output(capsys, "table", "1", "--out", f"out/1.{suffix}", "--compare", "statistics")
        assert "MoCo-V2+" in Path(f"out/1.{suffix}").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--baseline", "byol"], "--baseline: is of use to the statistics alone. Add --compare statistics."),
        (["--margin", "2"], "--margin: is of use to the statistics alone"),
        (["--compare", "statistics", "--baseline", "bylo"], "--baseline bylo: table1 has no such row"),
        (["--compare", "statistics", "--margin", "-1"], "--margin -1: is not positive"),
    ],
)
def test_options_of_the_statistics_that_do_not_fit_are_refused(planned, capsys, options, said):
    assert cli.main(["table", "1", "--profile", "toy.yaml", *options]) == 2
    assert said in capsys.readouterr().err
