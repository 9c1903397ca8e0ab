"""From tables to jobs."""

import importlib
from pathlib import Path

import pytest

from ground.errors import ConfigError, DataError
from harness.jobs import Parent
from harness.plan import Request, build


@pytest.fixture
def data(place):
    (place.folder / "real" / "coco" / "train2017").mkdir(parents=True)
    (place.folder / "real" / "coco" / "train2017" / "1.jpg").write_text("one")
    (place.folder / "real" / "voc.txt").write_text("boxes")
    return place


def plan(**changes):
    return build(Request(**{"tables": ("1",), "profile": "bare.yaml", "data": "real", **changes}))


def test_every_known_recipe_of_the_table_is_pretrained_once_and_transferred_each_run(data):
    jobs = plan().jobs
    assert [(job.kind, job.recipe, job.run) for job in jobs] == [
        (kind, recipe, run)
        for recipe in ("byol", "pixcon-sr", "random-init")
        for kind, run in (("pretrain", None), ("transfer", 0), ("transfer", 1))
    ]
    assert jobs[0].name == f"byol.coco.s0-{jobs[0].key[:10]}"
    assert jobs[1].parents == {"weights": Parent("pretrain", jobs[0].name, jobs[0].key)}
    assert jobs[1].name == f"voc_detection.byol.r0-{jobs[1].key[:10]}"
    assert len({job.key for job in jobs}) == len(jobs)


def test_a_repeat_has_one_seed_whatever_the_recipe(data):
    jobs = [job for job in plan().jobs if job.kind == "transfer"]
    assert len({job.seed for job in jobs if job.run == 0}) == 1
    assert len({job.seed for job in jobs}) == 2
    assert all(0 <= job.seed < 2**31 for job in jobs)


def keys(**changes):
    return {(job.recipe, job.task, job.run): job.key for job in plan(**changes).jobs}


def changed(**changes):
    before, after = keys(), keys(**changes)
    return {
        (recipe, task is not None)
        for recipe, task, run in before
        if before[recipe, task, run] != after[recipe, task, run]
    }


def test_only_what_a_setting_decides_gets_another_key(data):
    everything = {(recipe, transfer) for recipe in ("byol", "pixcon-sr", "random-init") for transfer in (True, False)}
    transfers = {(recipe, True) for recipe in ("byol", "pixcon-sr", "random-init")}
    assert changed(overrides=("byol.train.epochs=9",)) == {("byol", True), ("byol", False)}
    assert changed(overrides=("voc_detection.schedule.iterations=9",)) == transfers
    assert changed(overrides=("pretrain.train.workers=9", "voc_detection.runs=2")) == set()
    assert changed(seed=1) == everything


def test_data_not_its_place_is_part_of_the_key(data):
    before = keys()
    Path("real").rename("moved")
    assert keys(data="moved") == before
    (Path("moved") / "coco" / "train2017" / "2.jpg").write_text("two")
    after = keys(data="moved")
    assert {recipe for recipe, task, run in before if after[recipe, task, run] != before[recipe, task, run]} == {
        "byol", "pixcon-sr",  # random-init learns from no image
    }  # fmt: skip


def test_a_selection_keeps_the_parents_of_what_is_left(data):
    jobs = plan(recipes=("random-init",), tasks=("voc_detection",)).jobs
    assert [(job.kind, job.recipe) for job in jobs] == [("pretrain", "random-init"), *[("transfer", "random-init")] * 2]


def test_two_tables_share_their_jobs(data):
    assert plan(tables=("1", "table1")).jobs == plan().jobs


def test_nothing_is_pretrained_for_tasks_that_do_not_exist(data):
    assert plan(tables=("2",)).jobs == ()


def test_scenes_that_are_not_generated_leave_a_plan_of_missing_jobs(place):
    unborn = build(Request(tables=("1",), profile="toy.yaml"))
    assert not unborn.generated
    assert len(unborn.jobs) == 9
    unborn.source.generate(lambda step, total, **numbers: None)
    born = build(Request(tables=("1",), profile="toy.yaml"))
    assert born.generated
    same = {job.key for job in born.jobs} & {job.key for job in unborn.jobs}
    assert same == {job.key for job in born.jobs_of("random-init", None)}  # which reads none of them


@pytest.mark.parametrize(
    ("changes", "error", "line"),
    [
        ({"tables": ("99",)}, ConfigError, "table99"),
        ({"recipes": ("byoll",)}, ConfigError, r"recipe `byoll`: unknown\. Did you mean `byol`\?"),
        ({"tasks": ("voc",)}, ConfigError, r"task `voc`: unknown"),
        ({"profile": "papr"}, ConfigError, r"profiles `papr`: unknown\. Did you mean `paper`\?"),
        ({"data": "nowhere"}, DataError, r"nowhere: no such folder"),
        ({"pretrain_images": ("no/images",)}, DataError, r"no/images: no such image folder"),
    ],
)
def test_what_cannot_be_planned_is_one_line(data, changes, error, line):
    with pytest.raises(error, match=line):
        plan(**changes)


def test_only_what_lacks_its_data_is_left_out(data):
    (data.control / "tasks").write_text("cityscapes voc_segmentation")
    (data.folder / "real" / "voc_segmentation.txt").write_text("maps")
    both = plan(tables=("1", "2"))
    assert {job.task for job in both.jobs} == {None, "voc_detection", "voc_segmentation"}
    assert both.lacking.keys() == {"cityscapes"}
    assert both.remarks == [
        "no data for cityscapes: real/cityscapes.txt: no such file. Check --data.",
        "`harness data check real` names every fault.",
    ]
    assert {job.key for job in plan().jobs} <= {job.key for job in both.jobs}
    with pytest.raises(DataError, match=r"cityscapes.txt: no such file"):
        plan(tables=("2",), tasks=("cityscapes",))


def test_a_recipe_whose_images_lack_is_left_out_with_all_that_only_it_needs(data, monkeypatch):
    from pretrain import data as images

    before = images.folders
    monkeypatch.setattr(
        images, "folders", lambda config, root: before(config, root / ("nowhere" if config.recipe == "byol" else ""))
    )
    some = plan()
    assert {job.recipe for job in some.jobs} == {"pixcon-sr", "random-init"}
    assert list(some.lacking) == ["byol"]
    monkeypatch.setattr(images, "folders", lambda config, root: before(config, root / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere/coco/train2017: no such image folder"):
        plan()
    assert len(plan(recipes=("random-init",)).jobs) == 3


def test_a_recipe_that_learns_from_no_image_needs_none(data):
    (data.folder / "real" / "coco" / "train2017" / "1.jpg").unlink()
    (data.folder / "real" / "coco" / "train2017").rmdir()
    parent = plan(recipes=("random-init",)).jobs[0]
    assert (parent.data["folders"], parent.data["fingerprint"]) == ([], "")
    with pytest.raises(DataError):
        plan(recipes=("byol",))


def test_the_class_of_device_is_part_of_the_key_and_may_be_chosen(data, monkeypatch):
    cpu = keys()
    assert {job.device_class for job in plan().jobs} == {"cpu"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert {job.device_class for job in plan().jobs if not job.config.get("initial")} == {"cuda"}
    assert [job.device_class for job in plan().jobs if job.config.get("initial")] == ["cpu"]  # it only draws weights
    assert {name for name, key in keys().items() if key == cpu[name]} == {("random-init", None, None)}
    assert keys(overrides=("pretrain.train.device=cpu", "transfer.device=cpu")) == cpu


def test_a_recipe_that_the_table_does_not_have_gets_a_row(data):
    assert [job.recipe for job in plan(recipes=("mine",)).jobs] == ["mine"] * 3
    added = plan(added=("mine", "byol"))
    assert len(added.jobs) == 12
    assert [row.recipe for row in added.layouts[0].rows].count("byol") == 1
    row = added.layouts[0].rows[-1]
    assert (row.recipe, row.label, row.published) == ("mine", "mine", None)
    with pytest.raises(ConfigError, match=r"recipe `min`: unknown\. Did you mean `mine`"):
        plan(added=("min",))


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "bare.yaml"),
        ({"overrides": ("byol.train.epochs=9",)}, "bare.yaml + overrides"),
        ({"overrides": ("byol.train.epochs=9",), "recipes": ("pixcon-sr",)}, "bare.yaml"),
        ({"overrides": ("byol.train.epochs=4", "pretrain.train.workers=9", "voc_detection.runs=1")}, "bare.yaml"),
        ({"overrides": ("scenes.seed=4",)}, "bare.yaml"),  # the data is given
        ({"overrides": ("scenes.seed=4",), "data": None, "profile": "toy.yaml"}, "toy.yaml + overrides"),
    ],
)
def test_only_overrides_that_decide_a_result_are_in_the_label(data, changes, label):
    assert plan(**changes).label == label


def stages(**changes):
    return {(job.kind, job.subject, job.run): job for job in plan(recipes=("staged",), **changes).jobs}


def test_what_a_recipe_rests_on_comes_before_it(data):
    regions, first, alike, last, *runs = plan(recipes=("staged",)).jobs
    assert [job.title for job in (regions, first, alike, last)] == [
        "prepare regions coco", "pretrain regional", "prepare alike regional", "pretrain staged",
    ]  # fmt: skip
    assert (regions.parents, first.parents) == ({}, {"regions": regions.as_parent()})
    assert alike.parents == {"regions": regions.as_parent(), "weights": first.as_parent()}
    assert last.parents == {"regions": regions.as_parent(), "alike": alike.as_parent()}
    assert [run.parents for run in runs] == [{"weights": last.as_parent()}] * 2
    assert alike.name == f"alike.regional-{alike.key[:10]}"
    assert (alike.recipe, alike.task, alike.run, alike.version, alike.config["kind"]) == (None, None, None, 1, "alike")
    assert alike.data == first.data


def test_recipes_share_what_is_the_same(data):
    jobs = plan(recipes=("regional", "staged")).jobs
    assert sorted(job.title for job in jobs if job.kind != "transfer") == [
        "prepare alike regional", "prepare regions coco", "pretrain regional", "pretrain staged",
    ]  # fmt: skip
    assert {job.key for job in plan(recipes=("staged",)).jobs} < {job.key for job in jobs}
    apart = plan(recipes=("regional", "staged"), overrides=("staged.inputs.regions.number=5",)).jobs
    assert [job.title for job in apart].count("prepare regions coco") == 2


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"overrides": ("regional.inputs.regions.number=5", "staged.inputs.regions.number=5")}, set()),
        ({"overrides": ("staged.inputs.alike.version=2",)}, {"regions coco", "regional"}),
        ({"overrides": ("staged.inputs.alike.threads=2",)}, {"regions coco", "regional"}),
        ({"overrides": ("staged.train.epochs=9",)}, {"regions coco", "regional", "alike regional"}),
        ({"overrides": ("regional.train.epochs=9",)}, {"regions coco"}),
        ({"seed": 1}, {"regions coco"}),
        ({"profile": "other.yaml"}, {"regions coco"}),
    ],
)
def test_a_key_covers_all_that_a_job_rests_on_and_no_more(data, changes, same):
    (data.folder / "other.yaml").write_text((data.folder / "bare.yaml").read_text())
    before, after = stages(), stages(**changes)
    found = {
        subject for kind, subject, run in before if after[kind, subject, run].key == before[kind, subject, run].key
    }
    assert found == same


def test_inputs_compute_where_their_recipe_does(data, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    devices = {subject: job.device_class for (_, subject, _), job in stages().items()}
    assert (devices["regions coco"], devices["alike regional"]) == ("cpu", "cuda")
    assert stages(overrides=("staged.train.device=cpu",))["prepare", "alike regional", None].device_class == "cpu"


def test_a_recipe_that_rests_on_itself_is_refused(data):
    circle = ("regional.inputs.alike={kind: alike}",)
    with pytest.raises(ConfigError, match="recipe `regional`: rests on itself: staged → regional → regional"):
        plan(recipes=("staged",), overrides=circle)


def test_a_pretraining_that_an_input_cannot_use_is_refused_by_the_plan(data):
    with pytest.raises(ConfigError) as caught:
        plan(recipes=("staged",), overrides=("regional.data=coco+",))
    assert str(caught.value) == "recipe `staged`: inputs.alike.weights of `regional` are of coco+. Take coco."


def test_an_override_of_a_stage_is_in_the_label(data):
    assert plan(recipes=("staged",), overrides=("regional.train.epochs=9",)).label == "bare.yaml + overrides"


def test_a_row_that_inherits_its_title_does_not_pass_for_the_other_and_another_seed_is_said(data, monkeypatch):
    from pretrain import recipes

    def titled(profile, name):
        return recipes.resolve(name.removesuffix("-mine"), profile.pretrain).model_copy(update={"title": "BYOL"})

    monkeypatch.setattr("harness.profiles.recipe_names", lambda: [*recipes.names(), "byol-mine"])
    monkeypatch.setattr("harness.profiles.Profile.recipe", titled)
    changed = plan(added=("byol-mine",), seed=3)
    labels = [row.label for row in changed.layouts[0].rows if row.recipe.startswith("byol")]
    assert labels == ["BYOL", "BYOL (byol-mine)"]
    assert changed.remarks == ["seed of the pre-trainings: 3"]
    assert plan().remarks == []


def test_a_protocol_that_cannot_be_met_is_refused_by_the_plan_and_one_given_up_has_another_key(data):
    with pytest.raises(ConfigError, match="task `voc_detection`: field `processes` = 3"):
        plan(overrides=("transfer.processes=3",))
    assert changed(overrides=("transfer.waive=[batch]",)) == {(r, True) for r in ("byol", "pixcon-sr", "random-init")}


def test_several_pre_trainings_are_an_outer_axis_that_shares_what_one_has(planned):
    one = build(Request(tables=("1",), profile="toy.yaml", store=Path("runs")))
    three = build(Request(tables=("1",), profile="toy.yaml", store=Path("runs"), pretrainings=3))
    assert {job.key for job in one.jobs} < {job.key for job in three.jobs}
    own = [job for job in three.jobs if job.recipe == "byol" and job.kind == "pretrain"]
    assert [job.seed for job in own] == [0, 1, 2]
    assert [job.title for job in own] == ["pretrain byol", "pretrain byol seed 1", "pretrain byol seed 2"]
    tuned = three.jobs_of("byol", "voc_detection")
    assert len(tuned) == 3 * len(one.jobs_of("byol", "voc_detection"))
    assert len({job.parents["weights"].key for job in tuned}) == 3
    assert three.seeds == (0, 1, 2)
    assert any("3 pre-trainings of each recipe, seeds 0 to 2" in words for words in three.remarks)
    moved = build(Request(tables=("1",), profile="toy.yaml", store=Path("runs"), pretrainings=2, seed=1))
    assert {job.key for job in moved.jobs} < {job.key for job in three.jobs}


def test_a_task_s_tool_is_looked_for_once_however_many_runs(place, monkeypatch):
    tool, asked = importlib.import_module("transfer.tool"), []
    choose = tool.choose
    monkeypatch.setattr(tool, "choose", lambda task: asked.append(task.name) or choose(task))
    build(Request(tables=("1",), profile="toy.yaml", pretrainings=3))
    assert asked == ["voc_detection"]


def test_only_the_columns_of_the_tasks_that_were_asked_for_are_left(data):
    (data.control / "tasks").write_text("cityscapes voc_segmentation")
    for name in ("cityscapes", "voc_segmentation"):
        (data.folder / "real" / f"{name}.txt").write_text("maps")
    asked = plan(tables=("1", "2"), tasks=("voc_segmentation",))
    assert [(each.name, each.tasks) for each in asked.layouts] == [("table2", ("voc_segmentation",))]
    assert [each.tasks for each in plan(tables=("2",)).layouts] == [("cityscapes", "voc_segmentation")]
