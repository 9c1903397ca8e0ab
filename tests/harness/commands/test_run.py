"""``run`` does what is missing, and says what failed, what waits, what has no data and what helps."""

import re

import pytest
from commanding import do

from harness import cli, commands


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
