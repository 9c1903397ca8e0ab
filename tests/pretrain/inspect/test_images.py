"""What a figure's networks are shown."""

import numpy as np
import torch
from PIL import Image

from pretrain import recipes
from pretrain.inspect import images
from pretrain.views.geometry import in_box_mask, intersection


def picture(folder, name="a.png", size=(80, 60)):
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size).save(folder / name)
    return folder / name


def test_the_paper_s_side_is_that_of_its_figure_and_others_keep_the_ratio():
    assert images.side(recipes.resolve("pixcon-sr", {})) == 1024
    assert images.side(recipes.resolve("pixcon-sr", {"views": {"size": 96}})) == 448


def test_a_whole_image_is_resized_and_normalised_and_nothing_else(tmp_path):
    path = picture(tmp_path)
    view, shown = images.whole(path, 64)
    assert view.shape == (1, 3, 64, 64)
    assert np.array_equal(shown, np.asarray(Image.open(path)))
    resized = np.asarray(Image.open(path).resize((64, 64), Image.Resampling.BILINEAR))
    assert np.array_equal(images.pixels(view[0]), resized)


def test_views_are_a_function_of_seed_image_and_settings(tmp_path):
    path, config = picture(tmp_path), recipes.resolve("pixcon-sr", {})
    one, again = (images.views(config, path, seed=0, side=128, share=0.25) for _ in range(2))
    other = images.views(config, path, seed=1, side=128, share=0.25)
    assert torch.equal(one.inputs, again.inputs)
    assert one.crops != other.crops
    assert one.inputs.shape == (2, 3, 128, 128)
    assert np.array_equal(one.shown[0], images.pixels(one.inputs[0]))


def test_the_box_is_that_of_the_training_and_large_enough(tmp_path):
    path, config = picture(tmp_path), recipes.resolve("pixcon-sr", {})
    for seed in range(5):
        views = images.views(config, path, seed=seed, side=256, share=0.25)
        assert np.array_equal(views.in_box.numpy(), in_box_mask(intersection(*views.crops), 8))
        assert views.in_box.float().mean() >= 0.25


def test_where_no_draw_shares_enough_the_best_is_taken(tmp_path):
    config = recipes.resolve("pixcon-sr", {"views": {"scale": [0.1, 0.1]}})
    views = images.views(config, picture(tmp_path), seed=0, side=256, share=1.1)
    assert views.in_box.any()
