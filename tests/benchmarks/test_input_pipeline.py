"""The input benchmark: every row says what it is, and what is not here is named."""

import sys

import pytest

from benchmarks import input_pipeline, input_published
from benchmarks.base import Options
from pretrain import recipes
from pretrain.views.pictures import Files


@pytest.fixture
def without_albumentations(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)


def test_it_runs_at_toy_size_and_names_what_it_skips(without_albumentations):
    section = input_pipeline.measure(Options(size="toy", repeats=1))
    pipelines = [(row["views of"], row["pipeline"]) for row in section.rows if row["colours"] == "cpu"]
    assert ("slotcon", "SlotCon's") in pipelines
    assert ("pixcon-sr", "PixCon's") not in pipelines
    assert any(note.startswith("PixCon's pipeline was skipped") for note in section.notes)
    assert all(row["views/s and core"].median > 0 for row in section.rows)
    assert {row["times the published"].median for row in section.rows if row["pipeline"] == "SlotCon's"} == {1.0}


def test_photographs_are_read_where_a_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(input_pipeline, "RECIPES", {})
    input_pipeline.written(tmp_path, 1)
    section = input_pipeline.measure(Options(size="toy", repeats=1, images=str(tmp_path)))
    assert any(note.startswith("1 photographs, decoded anew") for note in section.notes)


def test_the_published_pipeline_gives_normalised_views_of_all_images(tmp_path):
    paths = input_pipeline.written(tmp_path, 2)
    assert Files(paths)[0].size == (640, 480)
    views = input_published.pipeline("SlotCon", recipes.resolve("slotcon", {}).views, paths, None)()
    assert [tuple(view.shape) for view in views] == [(2, 3, 224, 224)] * 2
    assert all(-2.2 < float(view.min()) < float(view.max()) < 2.7 for view in views)
