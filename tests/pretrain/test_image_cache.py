"""A cache of decoded images: the same pixels, once for all, whoever makes it and however often it is interrupted."""

import json
import logging
import os
import pickle
import shutil
from collections import namedtuple

import numpy as np
import PIL
import pytest
from PIL import Image

from ground import stopping
from ground.errors import ConfigError, DataError, StorageError
from pretrain import data
from pretrain.run import BACKBONE, run
from pretrain.views import cache, loading
from pretrain.views.pictures import Files


def same(one, other):
    """Whether two pictures are of one size and one set of pixels."""
    return one.size == other.size and np.array_equal(*(each.part((0, 0, *each.size)) for each in (one, other)))


@pytest.fixture
def files(photos):
    return Files(list(data.images(photos)))


def made(files, folder, workers=0, told=lambda done: None):
    return cache.make(files, folder, workers, told, logging.getLogger().info)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("side", [None, 40])
def test_a_cache_holds_the_pixels_of_the_files(files, tmp_path, monkeypatch, workers, side):
    monkeypatch.setattr(cache, "PIECE", 8)
    small, done = Files(files.paths, side), []
    kept = made(small, tmp_path / "kept", workers, done.append)
    assert len(done) == 3
    assert done[-1] == 20
    assert len(kept) == len(small) == 20
    assert all(same(kept[index], small[index]) for index in range(20))
    assert min(kept[3].size) == (side or 63)
    assert same(pickle.loads(pickle.dumps(kept))[7], small[7])


def test_a_finished_cache_is_read_and_not_made_again(files, tmp_path):
    made(files, tmp_path / "kept")
    shutil.rmtree(files.paths[0].parent)
    assert made(files, tmp_path / "kept")[0].size == (60, 80)


def test_an_interrupted_one_goes_on_with_what_is_missing(files, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "PIECE", 8)
    kept = made(files, tmp_path / "kept")
    (kept.folder / cache.WHOLE).unlink()
    (kept.folder / cache.DONE / "1").unlink()
    decoded = []
    monkeypatch.setattr(cache, "read", lambda path, side: decoded.append(path.name) or original(path, side))
    again = made(files, tmp_path / "kept")
    assert decoded == [path.name for path in files.paths[8:16]]
    assert same(again[12], files[12])


def test_two_jobs_that_make_it_at_once_share_the_work(files, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "PIECE", 8)
    decoded, other = [], []
    monkeypatch.setattr(cache, "read", lambda path, side: decoded.append(path.name) or original(path, side))

    def told(done):
        if not other:  # in the middle of the one, the other makes what is missing then
            other.append(None)
            other.append(made(files, tmp_path / "kept"))

    kept = made(files, tmp_path / "kept", told=told)
    assert sorted(decoded) == [path.name for path in files.paths]
    assert all(same(kept[index], other[1][index]) for index in range(20))


def test_asked_to_stop_it_stops_at_the_next_piece_and_goes_on_later(files, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "PIECE", 8)
    with pytest.raises(stopping.Stopped):
        made(files, tmp_path / "kept", told=lambda done: stopping.ask("SIGTERM"))
    stopping.forget()
    assert len(list((tmp_path / "kept" / cache.DONE).iterdir())) == 1
    assert same(made(files, tmp_path / "kept")[19], files[19])


original = cache.read


def test_a_file_that_was_cut_short_is_made_anew(files, tmp_path):
    kept = made(files, tmp_path / "kept")
    with open(kept.folder / cache.PIXELS, "r+b") as file:
        file.truncate(1000)
    assert not cache.is_whole(kept.folder)
    assert same(made(files, tmp_path / "kept")[19], files[19])


def test_a_full_disk_is_told_before_anything_is_decoded(files, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(StorageError, match=r"0\.3 GB|0\.0 GB of decoded images do not fit .*train\.cache"):
        made(files, tmp_path / "kept")
    assert not (tmp_path / "kept" / cache.PIXELS).exists()


def test_what_is_there_of_a_cache_needs_no_room_any_more(files, tmp_path, monkeypatch):
    kept = made(files, tmp_path / "kept")
    (kept.folder / cache.WHOLE).unlink()
    (kept.folder / cache.DONE / "0").unlink()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6, 0))
    assert same(made(files, kept.folder)[19], files[19])
    (kept.folder / cache.WHOLE).unlink()
    shutil.rmtree(kept.folder / cache.DONE)
    length = (kept.folder / cache.PIXELS).stat().st_size
    with open(kept.folder / cache.PIXELS, "wb") as file:
        file.truncate(length)  # a hole, as one that was begun
    with pytest.raises(StorageError, match="do not fit"):
        made(files, kept.folder)


def test_an_image_at_fault_is_named(files, tmp_path):
    broken = files.paths[11]
    broken.write_bytes(broken.read_bytes()[:700])
    with pytest.raises(DataError, match=rf"{broken.name}: cannot be decoded"):
        made(files, tmp_path / "kept")
    assert not cache.is_whole(tmp_path / "kept")


def test_an_image_that_changed_its_size_is_named(files, tmp_path):
    kept = made(files, tmp_path / "kept")
    (kept.folder / cache.WHOLE).unlink()
    shutil.rmtree(kept.folder / cache.DONE)
    Image.new("RGB", (9, 9)).save(files.paths[2])
    with pytest.raises(DataError, match=rf"{files.paths[2].name}: is not 62 × 78 pixels"):
        made(files, tmp_path / "kept")


def test_caches_of_other_images_or_sizes_lie_elsewhere(files, tmp_path):
    small = [Files(files.paths, side) for side in (None, 256, 128)]
    assert len({cache.folder_of(tmp_path, name, images) for name in "ab" for images in small}) == 6


def test_an_image_replaced_by_one_of_the_same_length_makes_another_cache(tiny, photos, files, tmp_path):
    config = tiny("byol", {"train": {"cache": str(tmp_path / "kept")}})

    def shown():
        return loading.pixels(config, files.paths, [photos], None, lambda *_, **__: None)[3]

    path, before = files.paths[3], shown()
    there, fingerprint = path.stat(), data.fingerprint([photos])
    Image.new("RGB", (63, 77)).save(path)
    path.write_bytes(path.read_bytes().ljust(there.st_size, b"\0"))  # what follows a JPEG's end is passed over
    os.utime(path, ns=(there.st_atime_ns, there.st_mtime_ns - 10**9))  # as `cp -p` gives it an old time
    assert data.fingerprint([photos]) == fingerprint
    assert same(shown(), files[3])
    assert not same(shown(), before)


def test_another_pillow_or_libjpeg_makes_another_cache(files, tmp_path, monkeypatch):
    folders = [cache.folder_of(tmp_path, "a", files)]
    monkeypatch.setattr(PIL, "__version__", "0.0")
    folders.append(cache.folder_of(tmp_path, "a", files))
    monkeypatch.setattr(cache.features, "version", lambda name: "0.0")
    folders.append(cache.folder_of(tmp_path, "a", files))
    assert len(set(folders)) == 3


def test_a_training_ends_in_the_same_bits_with_and_without_it(tiny, photos, tmp_path):
    weights, told = [], []
    for name, settings in (("off", {}), ("store", {"cache": "store", "workers": 2})):
        config = tiny("byol", {"train": {"epochs": 1, **settings}})
        out = tmp_path / name
        run(
            config, seed=0, folders=[photos], out=out, cache=tmp_path / "kept",
            report=lambda step, total, **numbers: told.append(numbers),
        )  # fmt: skip
        weights.append((out / BACKBONE).read_bytes())
    assert weights[0] == weights[1]
    assert [numbers["decoded_images"] for numbers in told if "decoded_images" in numbers] == [20]
    assert [json.loads(path.read_text())["images"] for path in (tmp_path / "kept").glob(f"*/{cache.WHOLE}")] == [20]


def test_without_a_store_a_cache_needs_a_folder(tiny, photos, tmp_path):
    config = tiny("byol", {"train": {"cache": "store"}})
    with pytest.raises(ConfigError, match=r"train\.cache: there is no run store"):
        run(config, seed=0, folders=[photos], out=tmp_path / "out")
    listed = list(data.images(photos))
    config = tiny("byol", {"train": {"cache": str(tmp_path / "mine")}})
    assert len(loading.pixels(config, listed, [photos], None, lambda *_, **__: None)) == 20
    assert cache.is_whole(next((tmp_path / "mine").iterdir()))
