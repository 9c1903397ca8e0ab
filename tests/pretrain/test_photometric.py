"""Batched augmentations against torchvision's and the released formulas."""

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as reference

from ground.seeding import generator
from pretrain.view_config import Jitter, Photometric
from pretrain.views import photometric
from pretrain.views.draw import FIELDS, draw_photometric

PLAIN = Photometric(jitter=Jitter(probability=1.0), gray=0, blur=0, solarize=0, blur_kernel=9)


@pytest.fixture
def images():
    return torch.randint(0, 256, (5, 3, 18, 22), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def denormalise(images):
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (photometric.MEAN, photometric.STD))
    return images * std + mean


def rows(*settings):
    table = np.zeros((len(settings), len(FIELDS)), dtype=np.float32)
    for row, setting in zip(table, settings, strict=True):
        row[-4:] = setting.pop("order", (0, 1, 2, 3))
        for name, value in setting.items():
            row[FIELDS.index(name)] = value
    return torch.from_numpy(table)


def test_jitter_equals_torchvision_in_every_order(images):
    drawn = [
        {"jitter": 1, "brightness": 0.7, "contrast": 1.3, "saturation": 0.6, "hue": 0.08, "order": order}
        for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1), (3, 0, 2, 1))
    ]
    orders = [d["order"] for d in drawn]
    got = denormalise(photometric.apply(images, torch.zeros(5, dtype=torch.bool), rows(*drawn), PLAIN))
    steps = [
        lambda x: reference.adjust_brightness(x, 0.7),
        lambda x: reference.adjust_contrast(x, 1.3),
        lambda x: reference.adjust_saturation(x, 0.6),
        lambda x: reference.adjust_hue(x, 0.08),
    ]
    for image, order, ours in zip(images, orders, got, strict=True):
        expected = image.float() / 255
        for step in order:
            expected = steps[step](expected)
        assert torch.allclose(ours, expected, atol=2e-5)


def test_flip_gray_blur_and_solarise_touch_only_their_samples(images):
    drawn = rows({}, {"gray": 1}, {"sigma": 1.3}, {"solarize": 1}, {})
    flips = torch.tensor([False, False, False, False, True])
    got = denormalise(photometric.apply(images, flips, drawn, PLAIN))
    x = images.float() / 255
    assert torch.allclose(got[0], x[0], atol=1e-6)
    assert torch.allclose(got[1], reference.rgb_to_grayscale(x[1], 3), atol=1e-5)
    assert torch.allclose(got[2], reference.gaussian_blur(x[2], [9, 9], [1.3, 1.3]), atol=1e-5)
    assert torch.allclose(got[3], reference.solarize(x[3], 128 / 255), atol=1e-6)
    assert torch.allclose(got[4], x[4].flip(-1), atol=1e-6)


def test_official_jitter_saturates_gray_as_the_release_does():
    """(200, 200, 200) at a saturation shift of 204 becomes (200, 40, 40) (methods.md 1.2)."""
    gray = torch.full((1, 3, 2, 2), 200 / 255)
    got = photometric.hue_saturation(gray, torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 204 / 255))
    assert (got[0, :, 0, 0] * 255).tolist() == pytest.approx([200, 40, 40], abs=0.5)


def test_official_jitter_draws_the_released_ranges():
    jitter = Jitter(kind="official", probability=1.0)
    drawn = np.stack(
        [draw_photometric(generator("o", n), PLAIN.model_copy(update={"jitter": jitter})) for n in range(500)]
    )
    saturation = drawn[:, FIELDS.index("saturation")] * 255
    hue = drawn[:, FIELDS.index("hue")] * 180
    assert saturation.min() >= 203.9
    assert saturation.max() <= 306.1
    assert np.abs(hue).max() == pytest.approx(25, abs=0.01)


def test_switches_come_up_as_often_as_asked():
    settings = Photometric(gray=0.2, blur=0.1, solarize=0.2)
    drawn = np.stack([draw_photometric(generator("p", n), settings) for n in range(4000)])
    share = {name: (drawn[:, FIELDS.index(name)] > 0).mean() for name in ("jitter", "gray", "sigma", "solarize")}
    assert share == pytest.approx({"jitter": 0.8, "gray": 0.2, "sigma": 0.1, "solarize": 0.2}, abs=0.03)
    assert sorted(drawn[0, -4:]) == [0, 1, 2, 3]


def test_a_kernel_wider_than_the_image_still_averages():
    constant = torch.full((1, 3, 4, 4), 0.3)
    assert torch.allclose(photometric.blur(constant, torch.tensor([2.0]), 23), constant)
