"""From one GPU to many: what has to hold whatever the guesses, and what can be worked out by hand."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from benchmarks.step import WHOLE as BENCHMARKED
from harness import scaling, throughput
from harness.collectives import Fabric
from harness.throughput import Pace
from pretrain import traffic
from pretrain.recipes import resolve
from pretrain.traffic import Gathering, Layer, Traffic

PIXCON = resolve("pixcon-sr", {})
LINE = Pace(((128, 0.15), (512, 0.5)), "of the test", True)
ONE_CONVOLUTION = Traffic((Layer(250_000, 1.0),), (), (), (1.0,), (), 2, 1, True, ())


def fabric(gpus, per_node=8, within=360e9, between=320e9):
    return Fabric(gpus, per_node, within, between)


def played(gpus, batch=512, found=None, pace=LINE, **links):
    return scaling.step(found or traffic.of(PIXCON), pace, batch, fabric(gpus, **links))


def test_one_gpu_takes_what_was_measured():
    for batch, seconds in LINE.points:
        step = played(1, batch)
        assert step.seconds == step.arithmetic == pytest.approx(seconds)
        assert scaling.efficiency(step, step) == 1


def test_between_and_beyond_what_was_measured_lie_lines():
    assert LINE.seconds(320) == pytest.approx(0.325)
    assert LINE.seconds(1024) == pytest.approx(0.5 + 512 * 0.35 / 384)
    floor = 0.15 - 128 * 0.35 / 384
    assert LINE.seconds(0) == pytest.approx(floor)
    assert LINE.seconds(1) > floor
    assert Pace(((128, 0.15),), "", True).seconds(64) == pytest.approx(0.025 + 0.125 / 2)
    assert Pace(((128, 0.1), (512, 0.5)), "", True).seconds(64) == pytest.approx(0.05)  # never below nothing


def test_a_gpu_more_never_makes_a_gpu_more_useful():
    numbers = (1, 2, 4, 8, 16, 64, 512)
    for batches in ([512] * len(numbers), [64 * number for number in numbers]):
        steps = [played(number, batch) for number, batch in zip(numbers, batches, strict=True)]
        alone = [played(1, batch // number) for number, batch in zip(numbers, batches, strict=True)]
        shares = [scaling.efficiency(*pair) for pair in zip(steps, alone, strict=True)]
        assert shares[0] == 1
        assert all(later < before for before, later in pairwise(shares))


def test_links_without_limit_leave_arithmetic_and_latency():
    endless = played(8, within=1e30, between=1e30)
    assert endless.arithmetic == LINE.seconds(64)
    assert endless.gradients < 1e-4
    assert endless.seconds < played(8).seconds < played(8, within=1e9).seconds


def test_a_single_bucket_waits_for_a_ring_worked_out_by_hand():
    """One million bytes on 8 GPUs and 1 GB/s: 14 steps of an eighth of it, and the latency of Simple's ring."""
    step = played(8, 8, ONE_CONVOLUTION, Pace(((0, 0.0), (1, 1e-9)), "", True), within=1e9)
    assert step.gradients == pytest.approx(14 / 8 * 1e6 / 1e9 + 8.4e-6 + 14 * 3.4e-6, rel=1e-6)
    assert (step.norms, step.gathers) == (0, 0)


def test_gradients_go_while_the_backward_pass_goes_on():
    """Ten equal layers of a bucket each: all but the last are sent in the shadow of a slow backward pass."""
    layer = Layer(scaling.BUCKET // 4, 1.0)
    ten = replace(ONE_CONVOLUTION, backbone=(layer,) * 10)
    one = fabric(8, within=10e9).all_reduce(scaling.BUCKET)
    slow, quick = (Pace(((0, 0.0), (1, seconds)), "", True) for seconds in (100.0, 1e-6))
    assert played(8, 8, ten, slow, within=10e9).gradients == pytest.approx(one)
    assert played(8, 8, ten, quick, within=10e9).gradients == pytest.approx(10 * one, rel=1e-3)


def test_batch_norms_cost_a_latency_each():
    """53 norms of a ResNet-50 in 4 passes forward, gathered, and in 2 backward, reduced; the heads' besides."""
    bare = replace(traffic.of(PIXCON), heads=(), targets=(), gatherings=())
    small = fabric(2, within=1e30)
    step = scaling.step(bare, LINE, 512, small)
    assert step.norms >= 53 * 4 * small.all_gather(0) + 53 * 2 * small.all_reduce(0)
    assert step.norms == pytest.approx(53 * 4 * small.all_gather(0) + 53 * 2 * small.all_reduce(0), rel=0.25)
    assert scaling.step(replace(bare, synchronised=False), LINE, 512, small).norms == 0


def test_what_is_gathered_counts_for_the_whole_batch():
    gathered = replace(ONE_CONVOLUTION, gatherings=(Gathering(1000.0, 3),))
    step = played(8, 512, gathered)
    assert step.gathers == pytest.approx(3 * fabric(8).all_gather(512_000), rel=1e-6)


def test_a_pipeline_too_slow_is_waited_for():
    fast, slow = (scaling.step(traffic.of(PIXCON), LINE, 512, fabric(1), loaded) for loaded in (5000.0, 500.0))
    assert fast.loading == 0
    assert slow.seconds == pytest.approx(512 / 500)


def test_rings_pass_the_narrowest_place_and_small_things_take_trees():
    assert fabric(16, between=100e9).bandwidth == 100e9
    assert fabric(8, between=1.0).bandwidth == 360e9
    assert fabric(1).all_reduce(1e9) == fabric(1).all_gather(1e9) == 0
    assert fabric(512).all_reduce(8) < fabric(512).all_gather(8)  # NCCL gathers by rings alone


def test_rows_are_told_by_the_words_of_the_benchmark():
    assert throughput.WHOLE == BENCHMARKED


def result(name, rows, **options):
    machine = {"gpu": name}
    asked = {"size": "full", "profile": "paper", "overrides": [], **options}
    return json.dumps({"machine": machine, "options": asked, "sections": [{"name": "step", "rows": rows}]})


def row(recipe, batch, rate, what="ours, with the views' colours, bf16"):
    return {"recipe": recipe, "batch": batch, "what": what, "images/s": {"median": rate, "values": [rate]}}


def test_steps_are_read_from_results_of_the_benchmark(tmp_path, monkeypatch):
    monkeypatch.setattr(throughput, "RESULTS", tmp_path)
    assert throughput.of(PIXCON, "paper").source.startswith("guessed")
    rows = [row("pixcon-sr", 512, 1024), row("pixcon-sr", 128, 640), row("pixcon-sr", 128, 9, "published, fp16")]
    (tmp_path / "a.json").write_text(result("NVIDIA A100", rows))
    (tmp_path / "b.json").write_text(result("NVIDIA H200", [row("pixcon-sr", 512, 2048)]))
    (tmp_path / "c.json").write_text("{}")
    changed = ["pretrain.train.precision=bf16"]
    (tmp_path / "e.json").write_text(result("NVIDIA H9", [row("slotcon", 512, 512)], overrides=changed))
    (tmp_path / "d.json").write_text(result("NVIDIA X", rows, size="toy"))
    found = throughput.of(PIXCON, "paper")
    assert (found.points, found.measured) == (((128, 0.2), (512, 0.5)), True)
    assert throughput.of(PIXCON, "paper", "h200").source == "measured on NVIDIA H200"
    assert throughput.of(PIXCON, "paper", "nvidia_h200").measured
    for other in ("h20", "b300"):
        guess = throughput.of(PIXCON, "paper", other)
        assert (guess.measured, guess.source) == (False, f"guessed: for {other} what was measured on NVIDIA A100")
    assert throughput.of(PIXCON, "mini").source.startswith("guessed")
    told = throughput.of(resolve("slotcon", {}), "paper").source
    assert told == "measured on NVIDIA H9 with pretrain.train.precision=bf16"


def test_a_recipe_that_was_not_measured_goes_by_its_arithmetic(tmp_path, monkeypatch):
    monkeypatch.setattr(throughput, "RESULTS", tmp_path)
    (tmp_path / "a.json").write_text(result("NVIDIA A100", [row("pixcon-sr", 512, 1024)]))
    one_sided = throughput.of(resolve("pixcon-sim-one-sided", {}), "paper")
    assert one_sided.points == ((512, pytest.approx(0.25)),)
    assert (one_sided.measured, "from pixcon-sr" in one_sided.source) == (False, True)


def test_a_measurement_of_one_machine_says_nothing_of_a_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(throughput, "RESULTS", tmp_path)
    (tmp_path / "a.json").write_text(result(None, [row("pixcon-sr", 8, 1)]))
    assert throughput.of(PIXCON, "paper").source.startswith("guessed")
