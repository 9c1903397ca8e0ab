"""detectron2's pipeline gives batches that are a function of seed and iteration."""

from itertools import islice

import pytest
import torch

from ground.errors import DataError
from transfer.detection.samples import order
from transfer.layouts.voc import load

pytest.importorskip("detectron2", reason="detectron2 is not importable")


def config_of(config, tmp_path):
    from transfer.detection.detectron2.config import detectron2_config

    return detectron2_config(config, classes=20, norm="BN", device="cpu", out=tmp_path, test="test")


def read(config, root, tmp_path, *, start=0, number=8, part=slice(0, 2), seed=0):
    from transfer.detection.detectron2.data import train_loader

    images = load(config, root).train
    cfg = config_of(config, tmp_path)
    return list(islice(train_loader(config, cfg, images, seed, start, part), number))


def equal(one, other):
    labels = one["instances"].gt_boxes.tensor.tolist() == other["instances"].gt_boxes.tensor.tolist()
    return labels and one["file_name"] == other["file_name"] and torch.equal(one["image"], other["image"])


def same(ones, others):
    pairs = zip(ones, others, strict=True)
    return all(equal(*pair) for batches in pairs for pair in zip(*batches, strict=True))


def test_batches_begin_at_any_iteration_whatever_the_workers(tiny50, voc_root, tmp_path):
    straight = read(tiny50, voc_root, tmp_path)
    assert same(straight[3:], read(tiny50, voc_root, tmp_path, start=3, number=5))
    assert same(straight, read(tiny50.model_copy(update={"workers": 2}), voc_root, tmp_path))
    assert not same(straight, read(tiny50, voc_root, tmp_path, seed=1))
    assert {tuple(sample["image"].shape[1:]) for batch in straight for sample in batch} > {(48, 64), (56, 75)}


def test_images_come_in_our_order_and_grouped_by_shape(tiny50, voc_root, tmp_path):
    images = load(tiny50, voc_root).train
    batches = read(tiny50, voc_root, tmp_path)
    names = [[sample["position"] for sample in batch] for batch in batches]
    assert names == [[index for _, index in batch] for batch in islice(order(images, tiny50, 0), 8)]
    for batch in batches:
        assert len({sample["width"] > sample["height"] for sample in batch}) == 1


def test_an_image_is_augmented_anew_in_every_epoch(tiny50, voc_root, tmp_path):
    batches = read(tiny50, voc_root, tmp_path, number=30)
    seen = [sample for batch in batches for sample in batch if sample["position"] == 0]
    assert len({sample["image"].numpy().tobytes() for sample in seen}) == 4  # two sizes, each as it is and mirrored
    enlarged = [sample["image"] for sample in seen if sample["image"].shape[1] == 56]
    assert any(torch.equal(enlarged[0], other.flip(2)) for other in enlarged)


def test_each_process_takes_its_share_of_the_same_batches(tiny50, voc_root, tmp_path):
    whole = read(tiny50, voc_root, tmp_path)
    halves = [read(tiny50, voc_root, tmp_path, part=slice(rank, rank + 1)) for rank in (0, 1)]
    # One process alone, detectron2 makes batches of two of what it is given.
    for rank, half in enumerate(halves):
        mine = [batch[rank] for batch in whole]
        given = [sample for batch in half for sample in batch]
        assert all(equal(*pair) for pair in zip(mine, given, strict=False))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_named(tiny50, voc_root, tmp_path, workers):
    from transfer.detection.detectron2.data import Batches, train_loader

    images = load(tiny50, voc_root).train
    images[3].image.write_bytes(images[3].image.read_bytes()[:400])
    config = tiny50.model_copy(update={"workers": workers})
    batches = Batches(
        train_loader(config, config_of(config, tmp_path), images, 0, 0, slice(0, 2)), lambda iteration, batch: None
    )
    with pytest.raises(DataError, match=rf"{images[3].image.name}: cannot be decoded .*Unpack the data set again"):
        list(islice(batches, 12))
