"""Drawings: the same bytes each time, with what they were given in them."""

import io

import numpy as np
import pytest
from PIL import Image

from ground.errors import ConfigError
from results.figures import attention, matches, page


@pytest.fixture
def rows():
    noise = np.random.default_rng(0)
    image = noise.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    maps = tuple(noise.random((16, 16), dtype=np.float32) for _ in range(2))
    return [attention.Row(image, (10, 20), maps)]


@pytest.fixture
def blocks():
    noise = np.random.default_rng(0)
    views = [noise.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(2)]
    in_box = np.zeros((4, 4), dtype=bool)
    in_box[1:3, 2:] = True
    lines = tuple(matches.Line((40.0, 24.0 + k), (8.0, 8.0), 0.5) for k in range(5))
    epochs = [matches.Epoch(f"epoch {k}", lines, noise.random((4, 4), dtype=np.float32)) for k in range(3)]
    return [matches.Block(*views, in_box, tuple(epochs)), matches.Block(*views, in_box, tuple(epochs[2:]))]


def texts(drawn):
    return [text.get_text() for axes in drawn.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]


def test_the_same_numbers_give_the_same_bytes(rows, tmp_path):
    for format in page.FORMATS:
        made = []
        for _ in range(2):
            with attention.draw(rows, ("A", "B")) as drawn:
                made.append(page.encoded(drawn, format))
        assert made[0] == made[1], format


def test_a_map_lies_over_its_whole_image_and_the_pixel_is_marked_in_every_panel(rows):
    with attention.draw(rows, ("A", "B")) as drawn:
        panels = drawn.axes
        assert [panel.get_title() for panel in panels] == ["image", "A", "B"]
        for panel in panels:
            assert tuple(panel.images[0].get_extent()) == (-0.5, 39.5, 29.5, -0.5)
            assert [tuple(map(float, point)) for line in panel.lines for point in line.get_xydata()] == [(10, 20)] * 2
        assert np.array_equal(panels[2].images[0].get_array(), rows[0].maps[1])


def test_matches_are_lines_from_the_query_to_the_key_beside_it(blocks):
    with matches.draw(blocks) as drawn:
        left = drawn.axes[0]
        shift = 64 + round(64 * matches.GAP)
        lines = [line.get_xydata().tolist() for line in left.lines if line.get_linestyle() == "-"]
        assert lines == [[[40.0, 24.0 + k], [8.0 + shift, 8.0]] for k in range(5)]
        (outline,) = left.patches
        assert outline.get_xy() == (31.5, 15.5)
        assert (outline.get_width(), outline.get_height()) == (32, 32)


def test_an_image_with_fewer_epochs_leaves_its_other_panels_empty(blocks):
    with matches.draw(blocks) as drawn:
        assert [axes.get_visible() for axes in drawn.axes] == [True] * 4 + [True, True, False, False] * 2
        assert {"epoch 0", "epoch 1", "epoch 2", "qk sim."} <= set(texts(drawn))


def test_a_figure_is_written_in_the_formats_of_the_suffixes(blocks, tmp_path):
    paths = [tmp_path / f"sub/figure.{suffix}" for suffix in page.FORMATS]
    with matches.draw(blocks) as drawn:
        page.write(drawn, paths)
    assert Image.open(io.BytesIO(paths[0].read_bytes())).width > 800
    assert paths[1].read_bytes().startswith(b"%PDF")
    assert b"<svg" in paths[2].read_bytes()
    with pytest.raises(ConfigError, match=r"names no format of figures. Use one of \.png"):
        page.format_of(tmp_path / "figure.gif")
