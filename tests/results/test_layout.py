"""The paper's seven tables, and layouts that do not fit."""

import pytest
import yaml

from ground import catalog
from ground.errors import ConfigError
from results import layout, published


def test_the_paper_has_seven_tables():
    assert layout.names() == [f"table{number}" for number in range(1, 8)]


@pytest.mark.parametrize("number", range(1, 8))
def test_a_layout_shows_every_cell_of_its_table_once_and_in_order(number):
    table = layout.load(str(number))
    shown = [layout.reference(table, row, column) for row in table.rows for column in table.columns]
    assert [cell for cell in shown if cell is not None] == [cell for cell in published.load() if cell.table == number]


def test_table_1_has_the_papers_rows_and_a_floor():
    table = layout.load("table1")
    assert table.recipes == (
        *("byol", "mocov2plus", "orl", "odin", "slotcon", "pixcon-sim", "pixcon-coord", "pixcon-sr"),
        "random-init",
    )
    assert table.tasks == ("voc_detection",)
    assert [column.metric for column in table.columns] == ["AP", "AP50", "AP75"]
    floor = table.rows[-1]
    assert floor.published is None
    assert floor.group != table.rows[0].group


def test_one_recipe_has_one_name_in_all_tables():
    of_row = {}
    for name in layout.names():
        for row in layout.load(name).rows:
            key = (row.published or "").replace(" (ours)", "").replace(" †", ""), row.pretrain_data
            if key[0] == "+ BYOL Aug. ( PixCon-Sim )":
                key = ("PixCon-Sim", "COCO")
            assert of_row.setdefault(key, row.recipe) == row.recipe
    assert len(set(of_row.values())) == len(of_row)


def broken(**changes):
    settings = {
        "title": "A table",
        "published_table": 1,
        "columns": [{"task": "voc_detection", "metric": "AP", "label": "AP"}],
        "rows": [{"label": "BYOL", "recipe": "byol", "published": "BYOL", "pretrain_data": "COCO"}],
    }
    return settings | changes


BYOL = {"label": "BYOL", "recipe": "byol", "published": "BYOL", "pretrain_data": "COCO"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colums": []}, "unknown field `colums`. Did you mean `columns`?"),
        ({"name": "mine"}, "unknown field `name`. A table is named by its file"),
        ({"rows": [BYOL | {"recipy": "x"}]}, "unknown field `rows.0.recipy`"),
        ({"rows": [BYOL, BYOL]}, "recipe `byol` appears twice"),
        ({"rows": []}, "field `rows`"),
        ({"published_table": None}, "row `BYOL` has a published value but the layout has no `published_table`"),
        ({"rows": [BYOL | {"published": "BYOLO"}]}, "no such row `BYOLO`. Did you mean `BYOL`?"),
        ({"published_table": 3}, "no such task `voc_detection`. Did you mean `coco_detection`?"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused_with_its_file(tmp_path, monkeypatch, changes, said):
    catalog.catalog.cache_clear()
    monkeypatch.setattr(layout, "HOME", tmp_path)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(broken(**changes)))
    with pytest.raises(ConfigError) as refusal:
        layout.load("mine")
    assert str(refusal.value).startswith(str(tmp_path / "mine.yaml"))
    assert said in str(refusal.value)


def test_an_unknown_table_names_the_nearest():
    with pytest.raises(ConfigError, match="tables `table8`: unknown"):
        layout.load("8")


def test_a_table_of_ones_own_needs_no_published_values(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "HOME", tmp_path)
    row = {"label": "New", "recipe": "new"}
    (tmp_path / "ablation.yaml").write_text(yaml.safe_dump(broken(published_table=None, rows=[row])))
    table = layout.load("ablation")
    assert layout.reference(table, table.rows[0], table.columns[0]) is None
