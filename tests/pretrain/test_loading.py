"""The loader: how many processes, and the same batches whatever their number and whoever owns the memory."""

import dataclasses
import os
import pickle
import signal
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader

from ground import cores
from pretrain import data
from pretrain.config import Train
from pretrain.training.loop import make_loader
from pretrain.views import dataset as dataset_module
from pretrain.views import loading, region
from pretrain.views.dataset import Batch, StepSampler, ViewsDataset
from pretrain.views.layout import TwoCrops
from pretrain.views.pictures import Files, Jpeg
from pretrain.views.registry import build_layout

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def tensors(batch):
    return [view for field in dataclasses.fields(Batch)[1:] for view in getattr(batch, field.name)]


@pytest.fixture
def dataset(tiny, photos):
    views = tiny("byol").views
    return lambda **kept: ViewsDataset(Files(list(data.images(photos))), TwoCrops(views, {}), 2, 3, **kept)


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_of_used_memory_are_those_of_new_memory_if_each_is_copied_in_time(dataset, workers):
    plain, sampler = dataset(), StepSampler(20, 4, epochs=3, seed=3)
    loader = DataLoader(dataset(kept=3), batch_size=None, sampler=sampler, num_workers=workers, prefetch_factor=2)
    seen = 0
    for places, batch in zip(sampler, loader, strict=True):
        copies, expected = [view.clone() for view in tensors(batch)], plain[places]
        assert batch.indices == expected.indices
        assert all(map(torch.equal, copies, tensors(expected)))
        seen += 1
    assert seen == 15


@pytest.mark.skipif(bool(region.why_not()), reason=f"images are decoded whole here: {region.why_not()}")
@pytest.mark.parametrize("recipe", ["pixcon-sr", "odin"])  # two crops; two and what spans them
def test_how_much_of_an_image_is_decoded_changes_nothing(tiny, photos, monkeypatch, recipe):
    paths, views = list(data.images(photos)), tiny(recipe).views
    partly, whole = (ViewsDataset(Files(paths, None, given), build_layout(views, {}), 2, 3) for given in (True, False))
    assert isinstance(partly.images[0], Jpeg)
    places = [(epoch, index) for epoch in range(3) for index in range(len(paths))]
    monkeypatch.setattr(dataset_module, "TOGETHER", 3 * 7 * 64**2)
    assert all(map(torch.equal, tensors(partly[places]), tensors(whole[places])))


@pytest.mark.parametrize(
    ("missing", "asked", "lines"), [("no cc", "shown", 1), ("", "shown", 0), ("no cc", "whole", 0)]
)
def test_that_images_are_decoded_whole_is_said_once_where_it_was_not_asked(
    tiny, photos, monkeypatch, caplog, missing, asked, lines
):
    monkeypatch.setattr(region, "why_not", lambda: missing)
    config = tiny("byol", {"train": {"decode": asked}})
    with caplog.at_level("INFO"):
        loading.pixels(config, list(data.images(photos)), [photos], None, lambda *_, **__: None)
    assert [record.getMessage().endswith(f"shown: no cc; {region.REMEDY}") for record in caplog.records] == [
        True
    ] * lines


def test_used_memory_is_used_again_after_as_many_batches_as_are_kept(dataset):
    views = dataset(kept=2)
    one, two, three = (views[[(0, index)]] for index in range(3))
    places = [batch.crops[0].data_ptr() for batch in (one, two, three)]
    assert places[0] == places[2] != places[1]
    assert (one.indices, three.indices) == ([0], [2])
    fresh = dataset()
    assert fresh[[(0, 0)]].crops[0].shape == (1, 3, 64, 64)


def test_crops_lie_channels_last_in_memory(dataset):
    crops = dataset()[[(0, 0), (0, 1)]].crops[0]
    assert crops.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("asked", "device", "own", "expected"),
    [("auto", CUDA, 16, 15), ("auto", CUDA, 1, 1), ("auto", CUDA, 64, 16), ("auto", CPU, 2, 0), ("auto", CPU, 16, 2),
     (0, CUDA, 16, 0), (7, CPU, 2, 7)],
)  # fmt: skip
def test_workers_are_as_asked_or_what_the_cores_hold(monkeypatch, asked, device, own, expected):
    monkeypatch.setattr(cores, "share", lambda: own)
    assert loading.workers(Train(workers=asked, threads=4), device) == expected


def test_the_loader_of_a_training_keeps_no_memory_where_none_is_pinned(tiny, photos):
    trainer = SimpleNamespace(
        config=tiny("byol", {"train": {"workers": 1}}), layout=TwoCrops(tiny("byol").views, {}), device=CPU, seed=0
    )
    loader = make_loader(trainer, Files(list(data.images(photos))), 1)
    batches = list(loader)
    assert len(batches) == 3
    assert not torch.equal(batches[0].crops[0], batches[1].crops[0])
    assert len({batch.crops[0].data_ptr() for batch in batches}) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_to_all_processes_of_a_job_ends_no_worker(tiny, photos, number):
    config = tiny("byol", {"train": {"workers": 1, "batch": 4}})
    trainer = SimpleNamespace(config=config, layout=TwoCrops(config.views, {}), device=CPU, seed=0)
    batches = iter(make_loader(trainer, Files(list(data.images(photos))), 0))
    next(batches)
    (worker,) = batches._workers
    os.kill(worker.pid, number)
    assert len(list(batches)) == 9
    worker.join(timeout=20)
    assert worker.exitcode == 0


def test_memory_that_a_process_keeps_is_mapped_once(dataset, monkeypatch):
    """As `Batch.pin_memory` does where there is a GPU."""
    sampler = StepSampler(20, 4, epochs=4, seed=3)
    loader = DataLoader(dataset(kept=3), batch_size=None, sampler=sampler, num_workers=2, prefetch_factor=2)
    plain = dataset()
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
    pinned, places = [], []
    for batch in loader:
        places.append(batch.memory.data_ptr())
        pinned.append(batch.pin_memory())
    assert len(set(places)) == 6
    assert all(
        all(map(torch.equal, tensors(batch), tensors(plain[wanted])))
        for batch, wanted in zip(pinned, sampler, strict=True)
    )
    assert pinned[0].crops[0].is_contiguous(memory_format=torch.channels_last)


def test_a_batch_comes_through_pickle_whole(dataset):
    batch = dataset()[[(0, 0), (0, 1)]]
    for each in (batch, batch.part(slice(1, 2))):
        again = pickle.loads(pickle.dumps(each))
        assert again.indices == each.indices
        assert all(map(torch.equal, tensors(again), tensors(each)))
