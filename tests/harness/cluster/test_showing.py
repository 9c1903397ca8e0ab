"""Status, why, cancel."""

import json
import time
from argparse import Namespace
from dataclasses import asdict, replace

import pytest

from ground.errors import ConfigError
from harness import claims, cli, endings
from harness.cluster import cancel, explaining, lease, showing
from harness.cluster.backend import Slurm
from harness.cluster.home import Home
from harness.cluster.journal import Ending
from harness.endings import End
from harness.store import Store
from slurm.cluster import Cluster, Kinds, Resources
from slurm.requests import Entry, Task


@pytest.fixture
def viewed(place, planned, slurm, cluster):
    return showing.Viewer(Store(place.store), "of the tests", cluster, slurm)


def why(viewed, planned, pattern=""):
    return "\n".join(explaining.lines(planned, viewed.store, viewed.survey(planned).standings, pattern))


def test_the_queue_is_told_with_slurms_reasons(drive, slurm, viewed, planned):
    drive().make()
    lines = viewed.lines(planned, viewed.survey(planned))
    assert lines[0].startswith("queue: 6 PENDING (Dependency), 3 PENDING (Resources); about ")
    slurm.away = "Unable to contact slurm controller"
    assert "nothing is submitted or given up" in viewed.lines(planned, viewed.survey(planned))[0]


def test_a_controller_that_hangs_is_asked_once_for_each_picture(drive, slurm, viewed, planned, monkeypatch):
    drive().make()
    slurm.away, real, asked = "no answer from squeue within 15 seconds", slurm.look, []

    def look(cluster, submissions):
        asked.append(submissions)
        return real(cluster, submissions)

    monkeypatch.setattr(slurm, "look", look)
    viewed.lines(planned, viewed.survey(planned))
    assert len(asked) == 1


def test_who_looks_on_waits_less_than_who_submits(place, monkeypatch):
    monkeypatch.setattr("slurm.cluster.load", lambda name: Cluster(description="ours"))
    viewer = showing.viewer(Namespace(store=str(place.store), cluster="ours"))
    assert viewer.backend.patience < Slurm().patience


def test_why_tells_what_happened_and_what_comes(drive, slurm, place, viewed, planned):
    place.fail("byol", "code")
    slurm.ends["pretrain/pixcon-sr.scenes.s0"] = ["NODE_FAIL"]
    drive().make()
    slurm.work()
    viewed.store.log(planned.jobs[0]).write_text("first\n\nlast words\n")
    told = why(viewed, planned)
    assert "pretrain byol: failed (code)\n  attempt 1 on " in told
    assert "    | first\n    | last words\n  next: " in told
    assert "next: nothing, unless --rerun retry: code: RuntimeError: a bug in byol" in told
    assert "counts as node, on n1: its node failed" in told
    assert "starts again, on another node" in told
    assert "blocked: voc_detection byol run 0, voc_detection byol run 1: waits for pretrain byol, which failed" in told
    assert "pixcon-sr" not in why(viewed, planned, "byol")
    assert "voc_detection byol run 1" in why(viewed, planned, "table1/BYOL/AP50")
    assert "no job of this plan is called so" in why(viewed, planned, "bjol")
    drive().make()
    assert "left out, for a job failed there: n1" in viewed.lines(planned, viewed.survey(planned))


def test_why_says_what_is_equal_once(drive, slurm, viewed, planned):
    """Attempts that ended alike, what Slurm says as well, and jobs that have one cause."""
    driver = drive()
    driver.make()
    token, words = slurm.calls[0].token, "node: n7: n7: no GPU"
    pretrainings = [job for job in planned.jobs if job.kind == "pretrain"][:2]
    for index, job in enumerate(pretrainings):
        attempts = viewed.store.directory(job) / "attempts"
        attempts.mkdir()
        for number in range(1, 7):
            owner = asdict(replace(claims.Owner.here(), host="n7", slurm=f"1{number}_0"))
            (attempts / f"{number:04d}").write_text(json.dumps(owner))
            endings.write(attempts, number, End("failed", 60.0 + number, "node", "n7: n7: no GPU"))
        path = f"{job.kind}/{job.name}"
        driver.surveyor.home.journal.ended([Ending(token, index, path, "node", words, time.time(), "n7")] * 6)
    told = why(viewed, planned)
    assert told.count("no GPU") == 2  # how it ended, and why no more is done
    assert told.startswith(f"2 jobs, {pretrainings[0].title}, {pretrainings[1].title}: failed (node); of ")
    assert "  attempts 1-6 on n7: failed: node; n7: no GPU\n  next: " in told
    assert "given up after 6 times node (`retries.node`: 5): node: n7: no GPU" in told


def test_tasks_of_other_settings_are_counted_besides(drive, viewed, planned):
    drive().make()
    assert "besides" not in "".join(viewed.lines(planned, viewed.survey(planned)))
    some = replace(planned, jobs=[job for job in planned.jobs if job.recipe == "byol"])
    assert (
        "besides, 6 tasks of this store are in the queue, of other tables"
        in viewed.lines(some, viewed.survey(some))[-1]
    )


def options(place, **more):
    nothing = {"tables": [], "command": ["cancel"], "cluster": None, "dry_run": False}
    return Namespace(**{"store": str(place.store), "yes": True, **nothing, **more})


def test_cancel_lists_before_it_takes_out_of_the_queue_and_nobody_submits_that_again(
    drive, slurm, place, cluster, capsys, monkeypatch
):
    early = drive()
    early.make()
    Home(Store(place.store)).remember("slurm", cluster)
    monkeypatch.setattr("slurm.cluster.load", lambda name: cluster)
    with pytest.raises(ConfigError, match="nobody is there to be asked"):
        cancel.cancel(options(place, yes=False), slurm)
    assert slurm.cancelled == []
    assert "9 tasks of this store to be cancelled: 9 PENDING" in capsys.readouterr().out
    assert cancel.cancel(options(place), slurm) == 0
    assert len(slurm.cancelled) == 9
    after = early.make()
    assert (after.submitted, after.settled) == ([], True)
    assert {each.step.words for each in after.survey.standings.values()} == {
        "cancelled; it is submitted by the next harness run"
    }
    assert sum(len(each.tasks) for each in drive().make().submitted) == 9
    capsys.readouterr()
    slurm.work()
    assert cancel.cancel(options(place), slurm) == 0
    assert capsys.readouterr().out.endswith("nothing of this store is in the queue\n")


@pytest.mark.parametrize(("answer", "cancelled"), [("n", 0), ("y", 9)])
def test_a_question_that_is_open_holds_up_nobody(answer, cancelled, drive, slurm, place, cluster, monkeypatch):
    """Others go on meanwhile; what they submit then is not what was agreed to."""
    others = Entry(token="hb-ffffffffffff", index=0, job_id="77_0", phase="pending", state="PENDING")
    drive().make()
    monkeypatch.setattr(cancel, "_cluster", lambda options, store: cluster)

    def agreed(number):
        with lease.held(Home(Store(place.store)).lease, 0) as claim:
            assert claim is not None
        late = replace(slurm.submissions[0], token=others.token, tasks=(Task("pretrain/late", ()),), job_id="77")
        slurm.submissions.append(late)
        slurm.entries[others.token, 0] = others
        return answer == "y"

    monkeypatch.setattr(cancel, "_agreed", agreed)
    assert cancel.cancel(options(place, yes=False), slurm) == (0 if cancelled else 1)
    assert len(slurm.cancelled) == cancelled
    assert slurm.entries[others.token, 0] == others


def test_who_only_reads_results_looks_for_those_of_the_cluster(place, planned, capsys):
    """Keys on a login node without a GPU are those of the jobs that had one."""
    kinds = Kinds(pretrain=Resources(gpus=1), transfer=Resources(gpus=1))
    gpus = Cluster(description="with GPUs", gpus_per_node=4, kinds=kinds)
    assert cli.main(["status", "1", "--profile", "toy.yaml", "--why", "byol"]) == 0
    assert "missing: pretrain byol" in capsys.readouterr().out
    Home(Store(place.store)).remember("gpus.yaml", gpus)
    from harness import commands
    from harness.plan import build

    parsed = Namespace(
        tables=["1"], profile="toy.yaml", overrides=[], data=None, pretrain_images=[], seed=0, pretrain_seeds=1,
        recipes=[], add=[], tasks=[], store="runs", cluster=None,
    )  # fmt: skip
    devices = {job.stem: job.device_class for job in build(commands.request(parsed)).jobs}
    assert devices["voc_detection.byol.r0"] == "cuda"
    parsed.cluster = "local"
    assert {job.device_class for job in build(commands.request(parsed)).jobs} == {"cpu"}
