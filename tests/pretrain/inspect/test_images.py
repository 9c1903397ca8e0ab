"""What a figure's networks are shown."""

import numpy as np
import torch
from PIL import Image

from pretrain import recipes
from pretrain.inspect import images
from pretrain.views.cutting import cut_out


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


def seen(crop, side):
    """Where in the image (x, y in 1/3 and 1/4 pixels) each pixel of a view comes from: read off a picture of places."""
    x, y = np.meshgrid(np.arange(80) * 3, np.arange(60) * 4)
    cut = cut_out(np.stack([x, y, y], -1).astype(np.uint8), crop, side, "bilinear")[..., :2].astype(int)
    return cut[:, ::-1] if crop.flip else cut


def test_the_box_holds_the_cells_whose_pixels_both_views_show_and_is_large_enough(tmp_path):
    path, config = picture(tmp_path), recipes.resolve("pixcon-sr", {})
    flips = set()
    for seed in range(8):
        views = images.views(config, path, seed=seed, side=256, share=0.25)
        query, key = (seen(crop, 256) for crop in views.crops)
        low, high = key.min((0, 1)), key.max((0, 1))
        cells = ((query >= low) & (query <= high)).all(-1).reshape(8, 32, 8, 32)
        shares = cells.mean((1, 3))
        assert views.in_box.numpy()[shares == 1].all()
        assert not views.in_box.numpy()[shares == 0].any()
        assert views.in_box.float().mean() >= 0.25
        flips.add(views.crops[0].flip)
    assert flips == {True, False}


def test_where_no_draw_shares_enough_the_best_is_taken(tmp_path):
    config = recipes.resolve("pixcon-sr", {"views": {"scale": [0.1, 0.1]}})
    views = images.views(config, picture(tmp_path), seed=0, side=256, share=1.1)
    assert views.in_box.any()
