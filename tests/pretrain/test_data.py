"""Image folders: sorted lists, clear refusals, and crops as the released loader cuts them."""

import numpy as np
import pytest
import torchvision.transforms.functional as reference
from PIL import Image

from ground.errors import DataError
from ground.seeding import generator
from pretrain import data, recipes
from pretrain.views import layout
from pretrain.views.dataset import ViewsDataset
from pretrain.views.decoding import open_rgb
from pretrain.views.geometry import Crop, draw_pair
from pretrain.views.pictures import Files
from pretrain.views.registry import build_layout


def test_folders_follow_the_data_set(tmp_path):
    coco, plus = (recipes.resolve("pixcon-sr", {"data": name}) for name in ("coco", "coco+"))
    assert data.folders(coco, tmp_path) == [tmp_path / "coco" / "train2017"]
    assert data.folders(plus, tmp_path) == [tmp_path / "coco" / name for name in ("train2017", "unlabeled2017")]


def test_the_root_may_be_the_coco_folder_itself(tmp_path):
    coco = recipes.resolve("pixcon-sr", {"data": "coco"})
    (tmp_path / "train2017").mkdir()
    assert data.folders(coco, tmp_path) == [tmp_path / "train2017"]
    (tmp_path / "coco").mkdir()
    assert data.folders(coco, tmp_path) == [tmp_path / "coco" / "train2017"]


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
    views = recipes.resolve("pixcon-sr", {"views": {"size": 32, "resampler": "pillow"}}).views
    shown = ViewsDataset(Files([tmp_path / "a.png"]), build_layout(views, {}), 1, seed=0)[[(0, 0)]].crops
    for crop, pixels in zip(draw_pair(generator("view", 0, 0, 0), 120, 90, views), shown, strict=True):
        expected = reference.resized_crop(open_rgb(tmp_path / "a.png"), crop.y, crop.x, crop.h, crop.w, [32, 32])
        assert np.array_equal(pixels[0].permute(1, 2, 0), np.asarray(expected))


class WithPatch(layout.Layout):
    """Two equal crops and a patch of 8 pixels of the next image."""

    def __init__(self, views, inputs):
        super().__init__(views, inputs)
        self.shown = (*self.shown, layout.Shown(8, views.second))

    def cut(self, rng, index, size):
        crop = Crop(0, 0, 20, 10, flip=True)
        return [layout.Cut(crop), layout.Cut(Crop(0, 0, 40, 20)), layout.Cut(Crop(1, 2, 8, 8), image=1 - index)]


def test_a_layout_adds_views_of_its_own_size_and_of_other_images(tmp_path):
    grays = [Image.new("RGB", (40, height), (level,) * 3) for level, height in ((10, 20), (200, 30))]
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, image in zip(paths, grays, strict=True):
        image.save(path)
    views = recipes.resolve("pixcon-sr", {"views": {"size": 32}}).views
    batch = ViewsDataset(Files(paths), WithPatch(views, {}), 1, seed=0)[[(0, 0), (0, 1)]]
    assert [tuple(view.shape) for view in batch.crops] == [(2, 3, 32, 32), (2, 3, 32, 32), (2, 3, 8, 8)]
    assert [view[0].unique().tolist() for view in batch.crops] == [[10], [10], [200]]
    assert batch.boxes[0][0].tolist() == [20, 0, 0, 10]
    assert batch.boxes[2][1].tolist() == [1, 2, 9, 10]
    assert [view[0].tolist() for view in batch.sizes] == [[40, 20], [40, 20], [40, 30]]
    assert batch.overlaps[1][0].tolist() == [0, 0, 0.5, 0.5]
    assert [view.tolist() for view in batch.flips] == [[True, True], [False, False], [False, False]]
    assert (len(batch.masks), len(batch.overlaps)) == (2, 2)
    assert batch.part(slice(1, 2)).crops[2].unique().tolist() == [10]
