"""``harness cancel`` of a selection: what goes, what stays, and that it is said."""

import json
from argparse import Namespace

import pytest

from harness import cli
from harness.cluster import cancel, keeper
from harness.cluster.home import Home
from harness.store import Store
from slurm.cluster import Cluster, Keeper


@pytest.fixture
def say(place, slurm, cluster, monkeypatch, capsys):
    """``say(*arguments)``: what `harness cancel` prints of the stand-in's queue; a selection is of the toy profile."""
    Home(Store(place.store)).remember("slurm", cluster)
    monkeypatch.setattr("slurm.cluster.load", lambda name: cluster)
    monkeypatch.setattr(cancel, "Slurm", lambda: slurm)

    def say(*arguments):
        profile = [] if set(arguments) <= {"--yes", "--dry-run"} else ["--profile", "toy.yaml"]
        assert cli.main(["cancel", *arguments, *profile]) == 0
        return capsys.readouterr().out

    return say


@pytest.fixture
def asked(monkeypatch):
    """``asked(meanwhile)``: somebody says y, and something happens before; gives the numbers that were asked about."""

    def asked(meanwhile=lambda: None):
        numbers = []
        monkeypatch.setattr(cancel, "_agreed", lambda number: numbers.append(number) or meanwhile() or True)
        return numbers

    return asked


def in_queue(slurm):
    """Jobs in it, without their keys."""
    tasks = {(each.token, index): task.name for each in slurm.submissions for index, task in enumerate(each.tasks)}
    alive = [tasks[place].rpartition("-")[0] for place, entry in slurm.entries.items() if entry.phase != "ended"]
    return sorted(alive)


def test_without_a_selection_it_is_all_of_the_store(drive, slurm, say):
    drive().make()
    told = say("--yes")
    assert "9 tasks of this store to be cancelled: 9 PENDING" in told
    assert "stay" not in told
    assert in_queue(slurm) == []


@pytest.mark.parametrize(
    "words", [["--profile", "toy.yaml"], ["--profile", "toy.yaml", "--seed=0"], ["--profile=toy.yaml", "--add", "byol"]]
)
def test_any_option_that_selects_jobs_spares_the_others_of_the_store(drive, slurm, say, planned, staged, words):
    drive(
        jobs=[*planned.jobs, *(job for job in staged.jobs if job.name not in {each.name for each in planned.jobs})]
    ).make()
    assert "9 tasks of this store to be cancelled" in say(*words, "--yes")
    assert any("staged" in name for name in in_queue(slurm))


@pytest.mark.parametrize(
    "words",
    ["--profile smoke", "--data there", "--pretrain-images there", "--only byol", "--recipes byol", "--add byol",
     "--tasks voc_detection", "--seed 0", "--pretrain-seeds 1", "--set pretrain.train.epochs=3"],
)  # fmt: skip
def test_an_option_that_selects_is_never_ignored_though_it_says_what_holds_unsaid(say, monkeypatch, words):
    asked = []
    nothing = Namespace(jobs=(), layouts=())
    monkeypatch.setattr(cancel.planning, "build", lambda wanted: asked.append(wanted.tables) or nothing)
    assert cli.main(["cancel", *words.split(), "--dry-run"]) == 0
    assert asked == [("1",)]
    assert cli.main(["cancel", "--dry-run"]) == 0
    assert len(asked) == 1


def test_all_of_the_store_goes_after_a_question_though_a_keeper_has_more(drive, slurm, say, staged, place, asked):
    names = [f"{job.kind}/{job.name}" for job in staged.jobs]
    drive(jobs=[job for job in staged.jobs if "staged" not in job.name and "alike" not in job.name]).make()
    for job in staged.jobs:
        Store(place.store).prepare(job)
    folder = Home(Store(place.store)).keeper / "tests-0"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({"jobs": names, "since": 0.0}))
    numbers, here = asked(), len(in_queue(slurm))
    told = say()
    assert (numbers, in_queue(slurm)) == ([here], [])
    assert told.count("to be cancelled") == 1
    assert f"cancelled {here} tasks" in told


@pytest.mark.parametrize("words", [(), ("1",)], ids=["all of the store", "a table"])
def test_what_comes_into_the_queue_during_the_question_stays_with_what_it_rests_on(
    drive, slurm, say, planned, asked, words
):
    byol = [job for job in planned.jobs if "byol" in job.name]
    drive(jobs=[job for job in planned.jobs if job not in byol or job.kind == "pretrain"]).make()
    numbers = asked(lambda: drive(jobs=byol).make())
    told = say(*words)
    assert numbers == [7]
    assert sorted(name.partition("/")[0] for name in in_queue(slurm)) == ["pretrain", "transfer", "transfer"]
    assert all("byol" in name for name in in_queue(slurm))
    assert "1 tasks of this store stay, for jobs that were not named rest on them" in told
    assert "2 other tasks of this store stay" in told
    assert "cancelled 6 tasks" in told


@pytest.mark.parametrize("tables", [["1"], []], ids=["of a table", "of the table that run takes"])
def test_a_recipe_goes_with_its_fine_tunings_and_the_others_stay(drive, slurm, say, tables):
    drive().make()
    told = say(*tables, "--only", "byol", "--yes")
    assert "3 tasks of this store to be cancelled" in told
    assert "6 other tasks of this store stay" in told
    assert not any("byol" in name for name in in_queue(slurm))
    assert len(in_queue(slurm)) == 6


def test_a_dry_run_lists_the_same_and_changes_nothing(drive, slurm, say, place):
    drive().make()
    journal = Home(Store(place.store)).root / "journal.jsonl"
    before = journal.read_text() if journal.exists() else ""
    told = say("1", "--only", "byol", "--dry-run")
    assert "3 tasks of this store to be cancelled" in told
    assert told == say("1", "--only", "byol", "--dry-run", "--yes")
    assert slurm.cancelled == []
    assert (journal.read_text() if journal.exists() else "") == before
    assert say("1", "--only", "byol", "--yes").startswith(told)


def test_a_pretraining_that_others_rest_on_stays_and_is_named(drive, slurm, say, staged):
    """Of two recipes the first is called off, and the other rests on it."""
    drive(jobs=staged.jobs).make()
    told = say("1", "--only", "regional", "--yes")
    kept = [name for name in in_queue(slurm) if "staged" not in name]
    assert kept == ["prepare/alike.regional", "prepare/regions.scenes", "pretrain/regional.scenes.s0"]
    assert "2 tasks of this store to be cancelled: 2 PENDING" in told
    assert "2 tasks of this store stay, for jobs that were not named rest on them" in told  # the regions, too
    assert "needed by prepare/alike.regional-" in told
    assert "and 1 more" in told
    slurm.work()
    assert sum(name.startswith("transfer/voc_detection.staged") for name in done(slurm)) == 2


def done(slurm):
    tasks = {(each.token, index): task.name for each in slurm.submissions for index, task in enumerate(each.tasks)}
    return [tasks[place] for place, entry in slurm.entries.items() if entry.state == "COMPLETED"]


def test_both_recipes_named_go_whole(drive, slurm, say, staged):
    drive(jobs=staged.jobs).make()
    told = say("1", "--only", "regional,staged", "--yes")
    assert "stay" not in told
    assert in_queue(slurm) == []


def test_what_a_keeper_was_asked_for_counts_though_it_is_not_in_the_queue_yet(drive, slurm, say, staged, place):
    names = [f"{job.kind}/{job.name}" for job in staged.jobs]
    drive(jobs=[job for job in staged.jobs if "staged" not in job.name and "alike" not in job.name]).make()
    assert "stay" not in say("1", "--only", "regional", "--dry-run")
    for job in staged.jobs:
        Store(place.store).prepare(job)
    folder = Home(Store(place.store)).keeper / "tests-0"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({"jobs": names, "since": 0.0}))
    (folder / "broken.json").write_text("{")
    assert "needed by prepare/alike.regional" in say("1", "--only", "regional", "--dry-run")


def test_a_keeper_whose_jobs_are_all_called_off_by_name_has_nothing_left(drive, slurm, say, place, planned):
    cluster = Cluster(description="of the tests", poll_seconds=0.01, keeper=Keeper())
    driver = drive(cluster=cluster)
    done = driver.make()
    keeper.ask(driver, done.survey, planned.profile.seconds, "harness run 1")
    home = Home(Store(place.store))
    folder = keeper.folder_of(home, slurm)
    assert len(keeper.requests(folder)) == 1
    assert "9 tasks of this store to be cancelled" in say("1", "--yes")
    assert len(in_queue(slurm)) == 1  # the keeper itself
    keeper.keep(home, slurm, folder)  # returns: nothing is left to wait for
    assert keeper.requests(folder) == []
    assert len(slurm.cancelled) == 9


def test_nothing_of_a_selection_is_told_from_an_empty_queue(drive, slurm, say):
    assert say("1", "--only", "byol", "--yes") == "nothing of this store is in the queue\n"
    drive().make()
    say("1", "--only", "byol", "--yes")
    told = say("1", "--only", "byol", "--yes")
    assert told == ("nothing of this store is in the queue that could be cancelled\n6 other tasks of this store stay\n")


def test_cells_that_other_tables_share_are_told(drive, slurm, say):
    drive().make()
    assert "too" not in say("--dry-run")
    assert "of them are of table7, too" in say("1", "--only", "pixcon-sr", "--dry-run")
