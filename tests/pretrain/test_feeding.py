"""What a training waits for its images: added up by the clock of what works on them, told, and never a result."""

from types import SimpleNamespace

import pytest
import torch

from ground.progress import WAITED
from pretrain.run import run
from pretrain.training import feeding
from pretrain.training.feeding import DeviceClock, Feed, Pace

CPU = torch.device("cpu")


class Gpu:
    """A stream of work: what the host asks for is done one after the other, in its own time."""

    def __init__(self):
        self.host = self.free = 0.0

    def event(self, **_):
        gpu = self

        class Event:
            def record(self):
                self.at = max(gpu.free, gpu.host)

            def query(self):
                return gpu.host >= self.at

            def elapsed_time(self, later):
                return 1000 * (later.at - self.at)

        return Event()


@pytest.fixture
def gpu(monkeypatch):
    gpu = Gpu()
    monkeypatch.setattr(torch.cuda, "Event", gpu.event)
    return gpu


def delivered(gpu, seconds, count):
    """A loader whose batches come every so many seconds, or when they are asked for if that is later."""
    for number in range(count):
        gpu.host = max(gpu.host, seconds * (number + 1))
        yield number


def trained(gpu, feed, step):
    """A training whose host does nothing but ask for steps of so many seconds, and reads the losses at the end."""
    for _ in feed:
        gpu.free = max(gpu.free, gpu.host) + step
    gpu.host = max(gpu.host, gpu.free)


@pytest.mark.parametrize(("loading", "idle"), [(0.5, 0.5), (1.0, 1.0), (1.5, 1.5 + 9 * 0.5)])
def test_a_gpu_that_is_at_work_while_the_host_waits_waits_for_nothing(gpu, loading, idle):
    feed = Feed(delivered(gpu, loading, 10), torch.device("cuda"))
    trained(gpu, feed, 1.0)
    assert feed.waited() == pytest.approx(idle)  # for the first batch, and whatever the loader is slower by
    assert gpu.free == pytest.approx(10 + idle)


def test_what_the_gpu_has_not_come_to_is_counted_later_and_nobody_waits_for_it(gpu):
    feed = Feed(delivered(gpu, 0.5, 3), torch.device("cuda"))
    for _ in feed:
        gpu.free = max(gpu.free, gpu.host) + 10
    assert feed.waited() == pytest.approx(0.5)
    assert len(feed._open) == 2
    gpu.host = gpu.free
    assert feed.waited() == pytest.approx(0.5)
    assert feed._open == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_that_is_there_is_waited_for_by_nobody():
    feed, work = Feed(range(3), torch.device("cuda")), torch.ones(2048, 2048, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in feed:
            for _ in range(50):
                work = (work @ work).clamp(0, 1)
            feed.waited()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    assert feed.waited() >= 0
    assert feed._open == []


def test_without_a_gpu_all_counts_that_holds_the_host_up(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(feeding, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def slow():
        for seconds in (3.0, 1.0, 0.0):
            now[0] += seconds
            yield seconds

    feed = Feed(slow(), CPU)
    for _ in feed:
        now[0] += 5
    assert feed.waited() == 4
    assert not isinstance(feed._clock, DeviceClock)


@pytest.fixture
def looks(tiny, monkeypatch):
    """``looks(shares, **settings)``: what was told after intervals of 10 seconds, each with such a share of waiting."""

    def look(shares, workers=3, steps=2, recipe="byol", **settings):
        now, feed = [0.0], Feed([], CPU)
        monkeypatch.setattr(feeding, "time", SimpleNamespace(monotonic=lambda: now[0]))
        pace, told = Pace(tiny(recipe, settings), workers, feed, 4), []
        for number, share in enumerate(shares, 1):
            now[0] += 10
            feed._seconds += 10 * share
            told.append(pace.look(4 + steps * number))
        return told

    return look


def test_speed_and_share_are_of_the_time_since_the_last_look(looks):
    told = looks([0.9, 0.1, 0.0])
    assert [numbers["waits_for_images"] for numbers in told] == pytest.approx([0.9, 0.1, 0.0])
    assert [numbers[WAITED] for numbers in told] == pytest.approx([9, 10, 10])
    assert [numbers["images_per_second"] for numbers in told] == pytest.approx([1.6] * 3)  # 2 steps of 8 images in 10 s
    assert all(tuple(numbers) == feeding.TIMES for numbers in told)


@pytest.mark.parametrize(
    ("shares", "settings", "said"),
    [
        ([0.9, 0.1, 0.3, 0.9], {}, ["step 10: 30 %"]),  # once, and not of the interval in which everything starts
        ([0.9, 0.1, 0.2], {}, []),
        ([0.9, 0.9], {"workers": 0}, ["step 8: 90 %"]),
        ([0.9, 0.9], {"steps": 1}, []),  # the last steps are no whole interval
    ],
)
def test_much_waiting_is_said_once_with_what_helps(looks, caplog, shares, settings, said):
    looks(shares, **settings)
    assert [message.split(" of the time")[0] for message in caplog.messages] == said


def test_the_advice_says_what_changes_pixels_and_leaves_out_what_is_done_already(looks, caplog):
    looks([0, 0.5], views={"resampler": "pillow"}, train={"decode": "whole"})
    plain = caplog.messages[-1]
    harmless, changing = plain.split("What changes pixels")
    assert "train.workers above 3" in harmless
    assert "train.decode: shown" in harmless
    assert "train.cache: store" in harmless
    assert "views.resampler: torch; views.shorten" in changing
    looks([0, 0.5], views={"resampler": "torch", "shorten": 320}, train={"cache": "store"})
    assert caplog.messages[-1].endswith("and changes no result: train.workers above 3 if cores are idle.")
    looks([0, 0.5], recipe="univip", views={"resampler": "pillow"})  # whose regions lie in images of their own size
    assert caplog.messages[-1].endswith("What changes pixels, and so the run's key: views.resampler: torch.")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_tells_its_waiting_and_results_and_checkpoint_do_not(tiny, photos, tmp_path, workers):
    told = []
    config = tiny("byol", {"train": {"workers": workers}})
    metrics = run(config, seed=0, folders=[photos], out=tmp_path / "out", report=lambda s, t, **n: told.append(n))
    last = told[-1]
    assert 0 <= last["waits_for_images"] <= 1
    assert last[WAITED] > 0
    assert set(metrics) == set(last) - set(feeding.TIMES)
    kept = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert set(kept["metrics"]) == set(metrics)
