"""Order and augmentation of the images that a detector is trained on."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ground.errors import DataError
from transfer.detection.samples import TrainingSet, batches, order, resized, scaled_boxes
from transfer.layouts import coco, voc
from transfer.layouts.voc import Labelled


def labelled(width, height, boxes=((1, 1, 10, 10),)):
    return Labelled("x", Path("x.jpg"), width, height, (0,) * len(boxes), boxes, (False,) * len(boxes))


def test_an_epoch_meets_every_image_once_and_shapes_stay_apart(tiny):
    images = [labelled(64, 48)] * 6 + [labelled(48, 64)] * 4
    met = list(islice(order(images, tiny, 0), 10))
    assert sorted(place for batch in met for place in batch) == [(e, i) for e in range(2) for i in range(10)]
    assert all(len({images[index].width for _, index in batch}) == 1 for batch in met)


def test_the_order_is_a_function_of_the_seed(tiny):
    images = [labelled(64, 48)] * 20
    first, again, other = (list(islice(order(images, tiny, seed), 20)) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_fewer_images_than_a_batch_still_make_batches(tiny):
    assert next(order([labelled(64, 48)], tiny, 0)) == [(0, 0), (1, 0)]


def test_a_sample_is_a_function_of_seed_epoch_and_index(tiny, voc_root):
    images = voc.read_all(voc.listed(voc_root, "VOC2007/trainval"))
    once = [TrainingSet(images, tiny, 0)[(epoch, 2)] for epoch in range(8)]
    twice = [TrainingSet(images, tiny, 0)[(epoch, 2)] for epoch in range(8)]
    assert all(
        torch.equal(a.image, b.image) and torch.equal(a.boxes, b.boxes) for a, b in zip(once, twice, strict=True)
    )
    assert {min(sample.image.shape[1:]) for sample in once} == {48, 56}


def test_boxes_follow_scale_and_flip(tiny, tmp_path):
    """A black box on white: wherever resizing and flipping put it, the box surrounds the black pixels."""
    pixels = np.full((48, 64, 3), 255, dtype=np.uint8)
    pixels[9:30, 4:20] = 0
    Image.fromarray(pixels).save(tmp_path / "x.jpg", quality=100)
    image = Labelled("x", tmp_path / "x.jpg", 64, 48, (4,), ((5, 10, 20, 30),), (False,))
    lefts = set()
    for epoch in range(12):
        sample = TrainingSet([image], tiny, 0)[(epoch, 0)]
        rows, columns = (sample.image[0] < 128).nonzero(as_tuple=True)
        extent = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert torch.allclose(sample.boxes[0], extent.float(), atol=1.0)
        assert sample.labels.tolist() == [5]
        lefts.add(round(sample.boxes[0, 0].item()))
    assert len(lefts) == 4  # two sizes, flipped and not


def test_polygons_follow_scale_and_flip(tiny_coco, coco_root):
    """Every polygon here is its object's box: wherever a box goes, its polygon's extent goes too."""
    images = coco.load(tiny_coco, coco_root).train
    places = set()
    for epoch in range(8):
        sample = TrainingSet(images, tiny_coco, 0)[(epoch, 0)]
        assert len(sample.polygons) == len(sample.boxes) == len(images[0].labels)
        for [ring], box in zip(sample.polygons, sample.boxes.tolist(), strict=True):
            extent = [ring[0::2].min(), ring[1::2].min(), ring[0::2].max(), ring[1::2].max()]
            assert extent == pytest.approx(box, abs=1e-4)
            places.add(round(box[0], 1))
    assert len(places) >= 4  # two sizes, flipped and not
    assert images[0].outlines[0][0].tolist()[0] == images[0].objects[0].box[0]  # what is read is not written to


def test_what_a_network_is_to_find_holds_polygons_where_masks_are_learnt(tiny, tiny_coco, voc_root, coco_root):
    boxes_alone = TrainingSet(voc.load(tiny, voc_root).train, tiny, 0)[(0, 0)]
    masks_too = TrainingSet(coco.load(tiny_coco, coco_root).train, tiny_coco, 0)[(0, 0)]
    assert set(boxes_alone.target(torch.device("cpu"))) == {"boxes", "labels"}
    assert set(masks_too.target(torch.device("cpu"))) == {"boxes", "labels", "polygons"}


def test_voc_corners_become_continuous_and_stay_inside():
    boxes = scaled_boxes(labelled(64, 48, ((1, 1, 64, 48), (0, 5, 65, 49))), (0.5, 2.0))
    assert boxes.tolist() == [[0, 0, 128, 24], [0, 2, 128, 24]]
    assert scaled_boxes(labelled(64, 48, ()), (1.0, 1.0)).shape == (0, 4)


def test_the_longer_side_is_bounded(tmp_path):
    Image.new("RGB", (100, 20)).save(tmp_path / "x.jpg")
    image = Labelled("x", tmp_path / "x.jpg", 100, 20, (), (), ())
    assert resized(image, 40, 150).shape == (3, 30, 150)
    assert resized(image, 40, 999).shape == (3, 40, 200)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_photograph_is_named(tiny, voc_root, workers):
    path = voc_root / "VOC2007" / "JPEGImages" / "000004.jpg"
    path.write_bytes(path.read_bytes()[:700])
    images = voc.read_all(voc.listed(voc_root, "VOC2007/trainval"))
    config = tiny.model_copy(update={"workers": workers})
    with pytest.raises(DataError, match=r"000004.jpg: cannot be decoded"):
        list(islice(batches(images, config, 0, 0), 20))


def test_a_photograph_of_another_size_is_named(voc_root):
    Image.new("RGB", (10, 10)).save(voc_root / "VOC2007" / "JPEGImages" / "000001.jpg")
    image = voc.read_all(voc.listed(voc_root, "VOC2007/trainval"))[0]
    with pytest.raises(DataError, match=r"000001.jpg: is 10x10 where its annotation says 64x48"):
        resized(image, 48, 96)
