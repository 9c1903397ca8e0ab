"""What the statistics say of a whole table, at the scale of the paper and at others."""

from dataclasses import replace

import pytest

from ground.errors import ConfigError
from results.judgement import judge
from results.layout import load
from results.render import FORMATS
from results.render.grid import beside_ours

SPREAD = (-0.2, 0.1, 0.0, 0.25, -0.15)


@pytest.fixture
def at_papers_scale(table_of, one):
    """A table of the paper's profile on its data whose runs lie around its values, less ``off`` points."""

    def build(off=0.0, recipes=("byol", "mocov2plus", "pixcon-sr"), **changes):
        rows = {row.recipe: row for row in load("table1").rows}
        runs = []
        for recipe in recipes:
            ap = {"byol": 55.73, "mocov2plus": 54.63, "pixcon-sr": 57.55}[recipe] - off
            for index, step in enumerate(SPREAD):
                metrics = {"AP": ap + step, "AP50": 81.0 + step, "AP75": 61.0 + step}
                runs.append(one(recipe, index, metrics=metrics, profile="paper"))
        assert rows.keys() >= set(recipes)
        return table_of(runs, profile="paper", data="VOC", **changes)

    return build


def verdicts(table, place=0):
    return {name: each.state for name, each in table.judgement.columns[place].verdicts.items()}


def test_cells_at_the_papers_scale_are_judged_against_its_values(at_papers_scale):
    found = verdicts(judge(at_papers_scale()))
    assert {name: found[name] for name in ("byol", "mocov2plus", "pixcon-sr", "orl")} == {
        "byol": "reproduced", "mocov2plus": "reproduced", "pixcon-sr": "reproduced", "orl": "not run",
    }  # fmt: skip
    assert set(verdicts(judge(at_papers_scale(off=3.0))).values()) == {"different", "not run"}
    narrow = judge(at_papers_scale(off=0.3), margin=0.2)
    assert verdicts(narrow)["byol"] == "inconclusive"
    assert "0.2 points" in "\n".join(narrow.judgement.words)


def test_numbers_of_another_profile_or_data_never_reproduce_a_value(at_papers_scale):
    scenes = judge(at_papers_scale(deviations=["generated scenes"]))
    assert verdicts(scenes) == {}
    assert scenes.judgement.columns[0].directions["pixcon-sr"].state == "same direction"
    for name in ("text", "markdown", "latex", "html", "json"):
        assert "reproduced" not in FORMATS[name](scenes)
    assert "cannot reproduce a published one" in "\n".join(scenes.judgement.words)


def test_the_baseline_is_the_tables_unless_said(at_papers_scale):
    table = judge(at_papers_scale())
    assert table.judgement.baseline == "mocov2plus"
    assert beside_ours(table) == ("less MoCo-V2+", "verdict")
    other = judge(at_papers_scale(), "byol")
    assert other.judgement.columns[0].differences["mocov2plus"].state == "lower"
    assert "byol" not in other.judgement.columns[0].differences


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("byolo", 1.0), "--baseline byolo: table1 has no such row. Did you mean `byol`"),
        ((None, 0.0), "--margin 0: "),
        ((None, float("inf")), "--margin inf: "),
    ],
)
def test_a_baseline_that_is_no_row_and_a_margin_of_nothing_are_refused(at_papers_scale, options, said):
    with pytest.raises(ConfigError) as refusal:
        judge(at_papers_scale(), *options)
    assert said in str(refusal.value)


def test_a_baseline_without_runs_leaves_its_differences_open(at_papers_scale):
    table = judge(at_papers_scale(recipes=("byol", "pixcon-sr")))
    assert table.judgement.columns[0].differences == {}
    assert any("MoCo-V2+ has no finished run" in words for words in table.judgement.words)


def test_a_baseline_that_lacks_runs_in_a_later_column_alone_is_named_with_it(table_of, one):
    metrics = {"box_AP": 40.0, "mask_AP": 36.0}
    runs = [one(recipe, 0, task="coco_detection", metrics=metrics) for recipe in ("densecl", "densecl-syncbn")]
    runs += [one("densecl-syncbn", 0, task="voc_segmentation", metrics={"mIoU": 60.0})]
    asked = {"coco_detection": 3, "voc_segmentation": 5}
    recipes = ["densecl", "densecl-syncbn"]
    table = judge(table_of(runs, "table4", expected=asked, known_tasks=list(asked), known_recipes=recipes))
    assert "DenseCL has no finished run in voc_segmentation mIoU: differences from it wait for that." in (
        table.judgement.words
    )


def test_a_single_run_beside_unequal_variances_is_named_and_has_no_detectable_difference(table_of, one):
    values = {"byol": (50, 50.1, 49.9, 50.05, 49.95), "mocov2plus": (51, 51.1, 50.9, 51.05, 50.95)}
    values |= {"random-init": (60, 40, 62, 38, 50), "pixcon-sim": (53,)}
    table = judge(table_of([one(name, index, ap) for name, each in values.items() for index, ap in enumerate(each)]))
    (said,) = (words for words in table.judgement.words if words.startswith("voc_detection AP:"))
    assert "variances differ" in said
    assert "never among the best: PixCon-Sim;" in said
    assert "80 % power" not in said


def test_rows_of_one_label_are_told_apart_in_the_words(table_of, one):
    table = table_of([one(recipe, index, 50 + index) for recipe in ("byol", "mocov2plus") for index in range(3)])
    alike = [replace(line, row=line.row.model_copy(update={"label": "ours"})) for line in table.lines]
    said = " ".join(judge(replace(table, lines=tuple(alike))).judgement.words)
    assert "told apart from ours (COCO) (mocov2plus) at" in said


def test_an_empty_table_says_that_nothing_can_be_tested(table_of):
    table = judge(table_of([]))
    assert table.judgement.overall == "inconclusive"
    assert [words for words in table.judgement.words if "testable: " in words] == [
        "No column is testable: no two methods with a std among them."
    ]


def test_differences_from_a_baseline_that_the_paper_lacks_have_no_verdicts(table_of, runs):
    table = judge(table_of(runs), "random-init")
    assert (table.judgement.kind, table.judgement.overall) == ("none", "nothing to compare with")
    said = FORMATS["text"](table)
    assert "less random init" in said
    assert "verdict" not in said.casefold()


def test_the_std_of_one_method_is_said_to_be_of_one(table_of, one):
    runs = [one("byol", 0, 50.0), one("byol", 1, 51.0), one("mocov2plus", 0, 52.0)]
    said = " ".join(judge(table_of(runs)).judgement.words)
    assert "voc_detection AP: std 0.71 of one method, 1 degree of freedom; " in said


def test_tables_4_to_7_say_whose_std_a_verdict_borrowed(table_of, one):
    runs = [
        one("densecl", index, task="voc_segmentation", metrics={"mIoU": 71.6 + step}, profile="paper")
        for index, step in enumerate(SPREAD)
    ]
    asked = {"voc_segmentation": 5}
    options = {"expected": asked, "known_tasks": list(asked), "known_recipes": ["densecl"]}
    table = judge(table_of(runs, "table4", profile="paper", data="VOC", **options))
    assert verdicts(table, 2)["densecl"] == "reproduced"
    said = "\n".join(table.judgement.words)
    assert "Rests on: the paper does not say over how many runs: taken as 5 (voc_segmentation mIoU: DenseCL)" in said
    assert "borrowed from its Tables 1-3, 0.29 pooled over all methods (voc_segmentation mIoU: DenseCL)" in said


def nested(one, recipe, seeds=(0, 1, 2), base=50.0):
    return [
        one(
            recipe,
            index,
            base + seed + 0.1 * index + 0.01 * seed * index,
            pretraining=seed,
            key=f"{recipe}-{seed}-{index}",
            path=f"runs/transfer/{recipe}.s{seed}.r{index}",
            curve=f"{recipe}-{seed}-{index}",
            seed=index,
        )
        for seed in seeds
        for index in range(5)
    ]


def test_several_pre_trainings_are_never_pooled_with_their_fine_tunings(table_of, one):
    runs = [*nested(one, "byol"), *nested(one, "mocov2plus", base=48.0), *nested(one, "random-init", (0,), 6.0)]
    table = table_of(runs)
    cell = table.lines[0].cells[0]
    assert (cell.n, cell.expected, cell.pretrainings, cell.state) == (15, 15, 3, "done")
    assert cell.values == pytest.approx((50.2, 51.22, 52.24))  # each the mean of five
    assert cell.std == pytest.approx(1.02)
    floor = table.lines[-1].cells[0]
    assert (floor.pretrainings, len(floor.values)) == (1, 5)
    notes = "\n".join(table.notes)
    assert "± of cells of 3 pre-trainings" in notes
    assert "over fine-tuning runs of one pre-training" in notes
    judged = judge(table)
    parts = judged.judgement.columns[0].decomposition.components
    assert [part.source for part in parts] == ["pre-training", "fine-tuning seed", "residual"]
    assert parts[0].std == pytest.approx(1.02, abs=0.02)
    assert judged.judgement.columns[0].statistics.estimates["byol"].n == 3
    said = "\n".join(judged.judgement.words)
    assert "std by source, with 95 % intervals, pooled over 2 methods: pre-training 1.02" in said
    assert "hold different variances" in said


def test_one_of_three_pre_trainings_gives_no_deviation(table_of, one):
    unfinished = [replace(run, state="queued", metrics={}) if run.pretraining else run for run in nested(one, "byol")]
    cell = table_of(unfinished).lines[0].cells[0]
    assert (cell.mean, cell.std, cell.n, cell.expected) == (pytest.approx(50.2), None, 5, 15)
