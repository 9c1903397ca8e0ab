"""Pixels are Pillow's, whatever decodes and cuts them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ground.errors import ConfigError, DataError
from pretrain import recipes
from pretrain.views import decoding
from pretrain.views.cutting import cut_out
from pretrain.views.geometry import Crop

RNG = np.random.default_rng(0)
PICTURE = Image.fromarray(RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)).resize((131, 97))


def written(path, image=PICTURE, **settings):
    image.save(path, **settings)
    return path


def pillows(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


TURNED = Image.Exif()
TURNED[0x0112] = 6  # to be shown turned by 90°
JPEGS = [
    *({"quality": quality, "subsampling": kind} for quality in (30, 75, 95) for kind in (0, 1, 2)),
    *({"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 3}, {"exif": TURNED}),
]


@pytest.mark.parametrize("settings", JPEGS, ids=lambda given: "exif" if "exif" in given else str(given))
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_has_pillow_s_pixels(tmp_path, mode, settings):
    path = written(tmp_path / "a.jpg", PICTURE.convert(mode), **settings)
    assert np.array_equal(decoding.decode(path), pillows(path))
    assert decoding.header_size(path) == (131, 97)


@pytest.mark.parametrize(
    ("name", "mode"), [("a.png", "RGBA"), ("a.png", "P"), ("a.png", "1"), ("a.bmp", "RGB"), ("a.webp", "RGB")]
)
def test_other_formats_have_pillow_s_pixels(tmp_path, name, mode):
    path = written(tmp_path / name, PICTURE.convert(mode))
    assert np.array_equal(decoding.decode(path), pillows(path))


def test_a_jpeg_cut_short_is_refused_wherever_it_ends(tmp_path):
    file = io.BytesIO()
    PICTURE.save(file, "JPEG")
    whole, path, agreed = file.getvalue(), tmp_path / "short.jpg", 0
    for length in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length])
        try:
            expected = pillows(path)
        except (OSError, SyntaxError):
            with pytest.raises(DataError, match=r"short\.jpg: cannot be decoded"):
                decoding.decode(path)
            agreed += 1
        else:
            assert np.array_equal(decoding.decode(path), expected)
    assert agreed > 35


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_with_an_end_before_its_end_has_pillow_s_pixels(tmp_path, progressive):
    file = io.BytesIO()
    PICTURE.save(file, "JPEG", progressive=progressive)
    whole, path, shown = file.getvalue(), tmp_path / "short.jpg", 0
    for length in range(700, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length] + b"\xff\xd9")
        try:
            expected = pillows(path)
        except (OSError, SyntaxError):
            with pytest.raises(DataError, match=r"short\.jpg: cannot be decoded"):
                decoding.decode(path)
        else:
            assert np.array_equal(decoding.decode(path), expected)
            shown += 1
    assert shown > 10


@pytest.fixture
def untried():
    """Nobody knows yet whether the two libraries agree."""
    decoding.libjpeg_is_pillows.cache_clear()
    yield
    decoding.libjpeg_is_pillows.cache_clear()


def test_without_torchvision_s_image_extension_pillow_decodes(tmp_path, monkeypatch, untried):
    def missing(*_, **__):
        raise AttributeError("'_OpNamespace' 'image' object has no attribute 'decode_jpeg'")

    path = written(tmp_path / "a.jpg")
    monkeypatch.setattr(decoding.torchvision.io, "decode_jpeg", missing)
    assert not decoding.libjpeg_is_pillows()
    assert np.array_equal(decoding.decode(path), pillows(path))


def test_where_the_two_libraries_differ_pillow_decodes(tmp_path, monkeypatch, untried):
    path = written(tmp_path / "a.jpg")
    monkeypatch.setattr(decoding, "_libjpeg", lambda data: np.zeros((97, 131, 3), dtype=np.uint8))
    assert not decoding.libjpeg_is_pillows()
    assert np.array_equal(decoding.decode(path), pillows(path))


def test_a_shortened_image_is_pillow_s_resized_one_and_small_ones_stay(tmp_path):
    path = written(tmp_path / "a.png")
    assert np.array_equal(decoding.read(path, 64), np.asarray(PICTURE.resize((86, 64), Image.Resampling.BILINEAR)))
    assert np.array_equal(decoding.read(path, 97), np.asarray(PICTURE))
    assert decoding.shortened((640, 480), 256) == (341, 256)
    assert decoding.shortened((200, 9000), 100) == (100, 4500)


@pytest.mark.parametrize(("interpolation", "levels"), [("bilinear", 1), ("bicubic", 2)])
def test_torch_resamples_as_pillow_does_to_a_grey_level_or_two(interpolation, levels):
    pixels = np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for crop in (Crop(0, 0, 400, 300), Crop(13, 7, 211, 180), Crop(100, 50, 30, 41), Crop(399, 299, 1, 1)):
        exact, fast = (cut_out(pixels, crop, 96, interpolation, name).astype(int) for name in ("pillow", "torch"))
        assert np.abs(exact - fast).max() <= levels
        assert np.abs(exact - fast).mean() < 0.06
        planes = torch.from_numpy(pixels[crop.y : crop.y + crop.h, crop.x : crop.x + crop.w]).permute(2, 0, 1)[None]
        resized = torch.nn.functional.interpolate(planes, (96, 96), mode=interpolation, antialias=True)
        assert np.array_equal(resized[0].permute(1, 2, 0), fast)


def test_shortened_images_and_regions_do_not_go_together():
    with pytest.raises(ConfigError, match=r"`shorten` 256 would move the regions .* Set `shorten` to null"):
        recipes.resolve("orl", {"views": {"shorten": 256}})
    assert recipes.resolve("odin", {"views": {"shorten": 256}}).views.shorten == 256
