"""``harness recipes``: the list, and one recipe with its published numbers."""

import yaml

from harness import cli, profiles


def lines(capsys, *arguments):
    assert cli.main(["recipes", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_recipe_is_listed_with_its_rows_tables_source_and_cost(capsys):
    printed = lines(capsys)
    assert printed[0].split() == ["recipe", "rows", "tables", "data", "source", "passes", "cost"]
    listed = [line.split()[0] for line in printed[1 : printed.index("")]]
    assert listed == profiles.recipe_names()
    (sim,) = [line for line in printed if line.startswith("pixcon-sim ")]
    assert "PixCon-Sim; + BYOL Aug. (PixCon-Sim)" in sim
    assert "1 2 3 4" in sim
    assert sim.split()[-4:] == ["2", "+", "2", "8"]


def test_cost_follows_the_scale(capsys):
    (line,) = [line for line in lines(capsys, "--profile", "smoke") if line.startswith("densecl ")]
    area = (96 / 224) ** 2
    assert line.split()[-1] == f"{4 * area:.3g}"


def test_a_recipe_is_shown_with_the_published_numbers_of_all_its_rows(capsys):
    printed = lines(capsys, "show", "pixcon-sr")
    settings = yaml.safe_load("\n".join(printed))
    assert settings["model"]["branches"]["pixel"]["reweight"] == {"power": 2.0}
    assert settings["train"]["epochs"] == 800
    assert "#   voc_detection: AP 57.55 ± 0.25, AP50 82.83 ± 0.18, AP75 64.04 ± 0.27 (5 runs, measured)" in printed
    assert [line.split(",")[0] for line in printed if line.startswith("# Table")] == [
        *("# Table 1", "# Table 2", "# Table 3", "# Table 7")
    ]
    ladder = lines(capsys, "show", "densecl-syncbn")
    assert "#   coco_detection: box_AP 39.6, mask_AP 35.6 (measured)" in ladder


def test_a_recipe_without_a_published_row_says_so(capsys):
    assert "#   the paper has no such row" in lines(capsys, "show", "random-init")
