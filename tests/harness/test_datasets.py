"""Where data comes from, and remembered fingerprints."""

import os
import time
from pathlib import Path

import pytest

from ground.errors import ConfigError, DataError
from harness import datasets, profiles
from harness.datasets import Cache


def old(folder):
    """Make a folder look long unchanged."""
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (time.time() - 100, time.time() - 100))


@pytest.fixture
def counted():
    def compute():
        compute.calls += 1
        return f"value {compute.calls}"

    compute.calls = 0
    return compute


def test_a_fingerprint_is_taken_once_until_a_folder_changes(tmp_path, counted):
    data = tmp_path / "data"
    (data / "train").mkdir(parents=True)
    old(data)
    cache = Cache(tmp_path / "runs")
    assert [cache.get("name", [data], counted) for _ in range(2)] == ["value 1", "value 1"]
    assert cache.get("other", [data], counted) == "value 2"
    (data / "train" / "new.jpg").touch()
    assert cache.get("name", [data], counted) == "value 3"


def test_a_folder_that_has_just_changed_is_not_trusted(tmp_path, counted):
    (tmp_path / "data").mkdir()
    cache = Cache(tmp_path / "runs")
    assert [cache.get("name", [tmp_path / "data"], counted) for _ in range(2)] == ["value 1", "value 2"]


def test_folders_behind_links_are_watched_and_circles_end(tmp_path, counted):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    elsewhere.mkdir()
    (data / "link").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(data)
    old(tmp_path)
    cache = Cache(tmp_path / "runs")
    cache.get("name", [data], counted)
    (elsewhere / "new.jpg").touch()
    assert cache.get("name", [data], counted) == "value 2"


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"folders": 3}'])
def test_a_broken_memory_is_no_memory(tmp_path, counted, broken):
    (tmp_path / "data").mkdir()
    old(tmp_path / "data")
    cache = Cache(tmp_path / "runs")
    cache.get("name", [tmp_path / "data"], counted)
    (kept,) = (tmp_path / "runs" / ".cache").iterdir()
    kept.write_text(broken)
    assert cache.get("name", [tmp_path / "data"], counted) == "value 2"


def test_a_folder_that_is_gone_is_no_memory(tmp_path, counted):
    data = tmp_path / "data"
    (data / "train").mkdir(parents=True)
    old(data)
    cache = Cache(tmp_path / "runs")
    cache.get("name", [data], counted)
    (data / "train").rmdir()
    old(data)
    assert cache.get("name", [data], counted) == "value 2"


def test_changed_images_fail_the_recheck_and_clear_the_memory(place):
    folder = place.folder / "images"
    folder.mkdir()
    (folder / "1.jpg").write_text("one")
    old(folder)
    cache = Cache(place.store)
    planned = datasets.image_fingerprint([folder], cache)
    assert datasets.recheck_images([folder], planned, cache) == planned
    (folder / "1.jpg").write_text("longer")
    with pytest.raises(DataError, match="changed after the job was planned"):
        datasets.recheck_images([folder], planned, cache)
    assert datasets.image_fingerprint([folder], cache) != planned


def test_each_set_of_scenes_has_a_folder_of_its_own(place):
    one = datasets.choose(profiles.load("toy.yaml", ["scenes.seed=1"]), None, [])
    two = datasets.choose(profiles.load("toy.yaml", ["scenes.seed=2"]), None, [])
    assert one.root != two.root
    assert one.root.parts[0] == "data"
    assert one.root.name.startswith("scenes-toy-")
    assert not one.complete()
    one.generate(lambda step, total, **numbers: None)
    assert one.complete()
    assert one.label(profiles.load("toy.yaml").recipe("byol")) == "scenes"


def test_given_images_replace_the_data_set_and_are_named(place):
    profile = profiles.load("toy.yaml")
    source = datasets.choose(profile, "real", ["a/train2017", "b"])
    assert source.folders(profile.recipe("byol")) == [Path("a/train2017"), Path("b")]
    assert source.label(profile.recipe("byol")) == "images"
    assert source.words == f"real, pre-trained on the images of a/train2017, {place.folder.name}/b"


def test_the_paper_scale_asks_for_data(place):
    with pytest.raises(ConfigError, match="--data"):
        datasets.choose(profiles.load("bare.yaml"), None, [])
