"""Against mmsegmentation's own data sets; and what draws depend on."""

from itertools import islice

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset
from mmengine.structures import PixelData

from transfer.protocol import Share
from transfer.segmentation import fine_tune  # noqa: F401  # makes mmsegmentation importable
from transfer.segmentation.config import settings
from transfer.segmentation.data import DATASETS
from transfer.segmentation.sampler import PlaceSampler

LOADING = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}]


pytestmark = pytest.mark.usefixtures("scope")


@pytest.fixture
def build(scenes, tmp_path):
    """A task's data set for a part of its run; with the first transforms only, if their number is given."""

    def call(task, part="train", transforms=None, seed=0):
        where = {"weights": tmp_path, "data": scenes, "out": tmp_path}
        config = settings(task, share=Share(1, 2, "BN", {}), device="cpu", rank=0, seed=seed, **where)
        wanted = config[f"{part}_dataloader"].dataset
        wanted.pipeline = wanted.pipeline[:transforms]
        return DATASETS.build(wanted)

    return call


def official(name, scenes, part):
    """mmsegmentation's own class on the same files, as its documentation lays them out."""
    if name == "cityscapes":
        split = {"train": "train", "test": "val"}[part]
        prefix = {"img_path": f"leftImg8bit/{split}", "seg_map_path": f"gtFine/{split}"}
        return build_official("CityscapesDataset", scenes / "cityscapes", prefix)
    if name == "ade20k":
        split = {"train": "training", "test": "validation"}[part]
        prefix = {"img_path": f"images/{split}", "seg_map_path": f"annotations/{split}"}
        return build_official("ADE20KDataset", scenes / "ADEChallengeData2016", prefix)
    lists = {"train": [("train", "SegmentationClass"), ("aug", "SegmentationClassAug")]}
    return ConcatDataset(
        [
            build_official(
                "PascalVOCDataset",
                scenes / "VOC2012",
                {"img_path": "JPEGImages", "seg_map_path": maps},
                ann_file=f"ImageSets/Segmentation/{split}.txt",
            )
            for split, maps in lists.get(part, [("val", "SegmentationClass")])
        ]
    )


def build_official(kind, root, prefix, **more):
    return DATASETS.build({"type": kind, "data_root": str(root), "data_prefix": prefix, "pipeline": LOADING, **more})


@pytest.mark.parametrize("part", ["train", "test"])
def test_images_and_labels_are_those_of_mmsegmentations_own_data_sets(task, scenes, build, part):
    """Cityscapes' from labelIds here, from labelTrainIds there."""
    ours, theirs = build(task, part, transforms=2 if part == "train" else None), official(task.name, scenes, part)
    assert len(ours) == len(theirs) > 1
    for index in range(len(ours)):
        one, two = ours[(0, index)], theirs[index]
        labels = two["gt_seg_map"]
        if part == "train":
            assert one["img_path"] == two["img_path"]
            assert np.array_equal(one["img"], two["img"])
            assert np.array_equal(one["gt_seg_map"], labels)
        else:
            assert one["data_samples"].img_path == two["img_path"]
            assert np.array_equal(one["data_samples"].gt_sem_seg.data[0].numpy(), labels)
    assert ours.metainfo["classes"] == theirs.metainfo["classes"]


def same(one, two):
    first, second = one["data_samples"].gt_sem_seg, two["data_samples"].gt_sem_seg
    assert isinstance(first, PixelData)
    return torch.equal(one["inputs"], two["inputs"]) and torch.equal(first.data, second.data)


def test_a_sample_is_a_function_of_seed_epoch_and_image(task, build):
    """Whatever was read before, and whatever state numpy is in."""
    one, two, other = build(task), build(task), build(task, seed=1)
    np.random.seed(3)
    sample = one[(4, 1)]
    before = np.random.get_state()[1].tolist()
    assert [two[(4, index)] for index in (0, 2)]
    assert same(sample, two[(4, 1)])
    assert np.random.get_state()[1].tolist() == before
    assert not all(same(one[(epoch, 1)], two[(epoch + 1, 1)]) for epoch in range(4))
    assert not all(same(one[(epoch, 1)], other[(epoch, 1)]) for epoch in range(4))


def test_training_images_are_crops_and_test_images_are_whole(task, build):
    crop = task.input.crop
    for index in range(3):
        shape = build(task)[(0, index)]["inputs"].shape
        assert shape[0] == 3
        assert all(side <= crop for side in shape[1:])
    height, width = build(task, "test")[0]["inputs"].shape[1:]
    assert (max(height, width) == 128) | (min(height, width) == 64)


@pytest.fixture
def places():
    def call(images=7, *, share=4, rank=0, processes=1, start=0, seed=0, count=21):
        sampler = PlaceSampler(range(images), ("voc_segmentation", seed), share, rank, processes)
        sampler.start = start
        return list(islice(sampler, count))

    return call


def test_every_epoch_has_every_image_once_in_another_order(places):
    drawn = places()
    assert [epoch for epoch, _ in drawn] == [0] * 7 + [1] * 7 + [2] * 7
    orders = [[index for _, index in drawn[first : first + 7]] for first in (0, 7, 14)]
    assert [sorted(order) for order in orders] == [list(range(7))] * 3
    assert orders[0] != orders[1] != orders[2]
    assert places(seed=1) != drawn


def test_a_resumed_run_starts_where_it_was(places):
    assert places(start=3, count=9) == places()[12:]


def test_several_processes_share_the_batches_of_one(places):
    alone = places(count=20)
    shared = [places(share=2, rank=rank, processes=2, count=10) for rank in (0, 1)]
    together = [place for step in range(0, 10, 2) for part in shared for place in part[step : step + 2]]
    assert together == alone
