"""What is seen of jobs at work: bars, lines, and how long it takes yet."""

import re

import pytest
from commanding import do, output

from harness import display
from harness.display import Bars, Overall, Plain, numbers
from harness.estimate import INITIAL_SECONDS, Estimates
from harness.reconcile import Running

PROGRESS = {
    "step": 30,
    "total": 120,
    "seconds": 10.0,
    "left": 30.0,
    "numbers": {"loss": 3.21456, "images_per_second": 412.3},
}


def test_numbers_are_for_people():
    assert numbers(PROGRESS) == "30/120  30 s to go  412 images/s  loss 3.215"
    assert numbers({}) == "starting"
    slow = PROGRESS | {"numbers": {"loss": 3.0, "images_per_second": 412.3, "waits_for_images": 0.349}}
    assert numbers(slow) == "30/120  30 s to go  412 images/s  waits for images 35%  loss 3"


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
        assert shown["pretrain byol"] == (30, 120, "30/120  30 s to go  412 images/s  loss 3.215")
        assert shown["pretrain pixcon-sr"] == (0, None, "(another harness)  starting")
        assert re.match(r"\d+%  0/9 jobs  .* to go", shown["all jobs"][2])
        do(runs, planned.jobs[0])
        bars.ended(planned.jobs[0], runs.look(planned.jobs[0]))
        bars._drawn = 0
        bars.tick([], planned.jobs[1:])
        assert [task.description for task in progress.tasks] == ["all jobs"]
    assert "start 2 of pretrain byol: the last one was interrupted" in screen.getvalue()
    assert "done   pretrain byol" in screen.getvalue()


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


def test_a_narrow_terminal_loses_numbers_not_the_time_to_go(planned):
    from io import StringIO

    from rich.console import Console
    from rich.progress import Progress, TextColumn

    column = TextColumn("{task.fields[words]}")
    with Progress(column, console=Console(file=StringIO(), width=70), auto_refresh=False) as progress:
        bars = Bars(Overall(planned.jobs, Estimates(planned.profile.seconds), 2), progress)
        bars.tick([Running(planned.jobs[0], PROGRESS, False)], planned.jobs)
        cut = {task.description: task.fields["words"] for task in progress.tasks}
        assert cut["pretrain byol"] == "30/120  30 s to go  412 "
