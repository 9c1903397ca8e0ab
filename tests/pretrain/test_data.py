"""Image folders: sorted lists, clear refusals, and crops as the released loader cuts them."""

import numpy as np
import pytest
import torchvision.transforms.functional as reference
from PIL import Image

from ground.errors import DataError
from pretrain import data, recipes
from pretrain.views.dataset import open_rgb


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


def test_resizing_a_box_is_cutting_then_resizing():
    """The released loader cuts first (torchvision ``resized_crop``); we let Pillow do both at once."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    ours = image.resize((32, 32), Image.Resampling.BILINEAR, box=(13, 7, 13 + 71, 7 + 64))
    theirs = reference.resized_crop(image, 7, 13, 64, 71, [32, 32])
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
