"""Image folders: sorted lists, clear refusals, and crops as the released loader cuts them."""

import numpy as np
import pytest
import torchvision.transforms.functional as reference
from PIL import Image

from ground.errors import DataError
from ground.seeding import generator
from pretrain import data, recipes
from pretrain.views.dataset import TwoViews, open_rgb
from pretrain.views.geometry import draw_pair


def test_folders_follow_the_data_set(tmp_path):
    coco, plus = (recipes.resolve("pixcon-sr", {"data": name}) for name in ("coco", "coco+"))
    assert data.folders(coco, tmp_path) == [tmp_path / "coco" / "train2017"]
    assert data.folders(plus, tmp_path) == [tmp_path / "coco" / name for name in ("train2017", "unlabeled2017")]


def test_images_are_listed_sorted_at_any_depth(tmp_path):
    for name in ("b/2.jpg", "b/1.JPG", "a.png", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in data.images(tmp_path)] == ["a.png", "b/1.JPG", "b/2.jpg"]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such image folder"):
        data.fingerprint([tmp_path / "nowhere"])


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", denied)
    with pytest.raises(DataError, match="cannot be listed"):
        list(data.images(tmp_path))


def test_a_decompression_bomb_is_named(tmp_path, monkeypatch):
    Image.new("RGB", (40, 40)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"huge\.png: cannot be decoded"):
        open_rgb(tmp_path / "huge.png")


def test_views_are_cut_and_resized_as_the_released_loader_does(tmp_path):
    """torchvision's ``resized_crop`` on the decoded image: cut first, then Pillow's antialiased bilinear."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    views = recipes.resolve("pixcon-sr", {"views": {"size": 32}}).views
    _, sample = TwoViews([tmp_path / "a.png"], views, 1, seed=0)[(0, 0)]
    for crop, (pixels, *_) in zip(draw_pair(generator("view", 0, 0, 0), 120, 90, views), sample, strict=True):
        expected = reference.resized_crop(open_rgb(tmp_path / "a.png"), crop.y, crop.x, crop.h, crop.w, [32, 32])
        assert np.array_equal(pixels.transpose(1, 2, 0), np.asarray(expected))
