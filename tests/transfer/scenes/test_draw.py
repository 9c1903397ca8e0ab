"""A scene is a function of (spec, split, index), and its masks are where its objects are."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ground.config import validate
from ground.errors import ConfigError
from ground.seeding import generator
from transfer.scenes.classes import CLASSES, CONTEXTS, SHAPES, TEXTURES, context_classes, shape_and_texture
from transfer.scenes.draw import draw_thing, scene
from transfer.scenes.layout import LEAST_PIXELS, LEAST_VISIBLE, Thing, distance, layout
from transfer.scenes.spec import Coco, SceneSpec, splits


def test_any_image_regenerates_alone(scenes, spec):
    buffer = io.BytesIO()
    Image.fromarray(scene(spec, "coco/train2017", 9).image).save(buffer, format="JPEG", quality=95)
    assert buffer.getvalue() == (scenes / "coco/train2017/000000000028.jpg").read_bytes()


def test_a_scene_depends_on_seed_split_and_index_but_on_no_count(spec):
    first = scene(spec, "coco/train2017", 0).image
    more = spec.model_copy(update={"coco": Coco(train2017=99)})
    assert np.array_equal(first, scene(more, "coco/train2017", 0).image)
    others = [
        (spec, "coco/train2017", 1),
        (spec, "coco/val2017", 0),
        (spec.model_copy(update={"seed": 8}), "coco/train2017", 0),
    ]
    for other in others:
        picture = scene(*other).image
        assert picture.shape != first.shape or not np.array_equal(picture, first)


def test_geometry_keeps_the_promises_of_the_spec(spec):
    for index in range(40):
        geometry = layout(spec, "voc2007/trainval", index)
        height, width = geometry.instances.shape
        assert spec.shorter[0] <= min(height, width) <= spec.shorter[1]
        assert 1 <= len(geometry.things) <= spec.objects[1]
        assert set(np.unique(geometry.instances)) - {0} == set(range(1, len(geometry.things) + 1))
        for place, thing in enumerate(geometry.things):
            assert spec.scale[0] <= 2 * thing.radius / min(height, width) <= spec.scale[1]
            assert np.count_nonzero(geometry.mask(place)) >= max(LEAST_PIXELS, LEAST_VISIBLE * thing.area)


def test_scenes_are_cluttered_and_varied():
    spec = SceneSpec()
    geometries = [layout(spec, "coco/train2017", index) for index in range(150)]
    shares = [geometry.visible(place) for geometry in geometries for place in range(len(geometry.things))]
    assert {thing.label for geometry in geometries for thing in geometry.things} == set(range(len(CLASSES)))
    assert {geometry.context for geometry in geometries} == set(range(CONTEXTS))
    assert np.mean(np.array(shares) < 0.9) > 0.2, "a good part of the objects is partly hidden"
    assert np.mean([len(geometry.things) for geometry in geometries]) > 3.5


def test_neither_shape_nor_texture_alone_tells_the_class():
    pairs = [shape_and_texture(label) for label in range(len(CLASSES))]
    assert len(set(pairs)) == len(CLASSES) == len(SHAPES) * len(TEXTURES)
    at_home = [label for context in range(CONTEXTS) for label in context_classes(context)]
    assert all(at_home.count(label) == 3 for label in range(len(CLASSES)))


@pytest.mark.parametrize("label", range(len(CLASSES)))
def test_an_object_is_drawn_where_its_mask_is(label):
    thing = Thing(label, 40.3, 37.8, 24.0, 1.1, 0.7)
    away = distance(thing, 0, 0, 80, 80)[0]
    canvas = np.full((80, 80, 3), 0.6, np.float32)
    draw_thing(canvas, thing, generator("test", label), 0.3)
    assert (away <= 0).sum() > 400
    outside = canvas[away > 0.5]
    assert np.ptp(outside, axis=1).max() < 1e-6, "outside only a grey shadow"
    assert outside.min() < 0.6 - 0.05
    assert np.array_equal(np.unique(canvas[away > 24]), np.float32([0.6]))
    assert np.mean(np.ptp(canvas[away < -0.5], axis=1) > 0.01) > 0.9, "inside the object's own colours"


def test_colour_tells_nothing_about_the_class():
    """The mean colours of two classes are no farther apart than chance puts those of one class drawn twice."""
    means = []
    for label in (0, 1, 10, 19):
        drawn = []
        for turn in range(120):
            thing = Thing(label, 16, 16, 12, 1, 0.1)
            canvas = np.zeros((32, 32, 3), np.float32)
            draw_thing(canvas, thing, generator("colour", label, turn), 0)
            drawn.append(canvas[distance(thing, 0, 0, 32, 32)[0] < 0].mean(axis=0))
        means.append((np.mean(drawn, axis=0), np.std(drawn, axis=0) / np.sqrt(len(drawn))))
    for mean, error in means[1:]:
        assert np.all(np.abs(mean - means[0][0]) < 4 * np.hypot(error, means[0][1]))


def test_a_stretched_and_turned_outline_stays_within_its_reach():
    for label in range(0, len(CLASSES), len(TEXTURES)):
        for angle in (0.0, 0.4, 2.0):
            thing = replace(Thing(label, 60, 60, 40, 1.15, angle))
            inside = distance(thing, 0, 0, 120, 120)[0] <= 0
            assert not np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]]).any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objects": [5, 2]}, "objects"),
        ({"scale": [0.05, 0.5]}, "smallest object"),
        ({"coco": {"train": 5}}, "train2017"),
        ({"version": 2}, "version"),
    ],
)
def test_a_bad_spec_is_refused_in_one_line(settings, words):
    with pytest.raises(ConfigError, match=words) as caught:
        validate(SceneSpec, settings, "scenes")
    assert "\n" not in str(caught.value)


def test_splits_lists_every_count(spec):
    assert sum(splits(spec).values()) == 44
    assert splits(spec)["voc2012/aug"] == 3
