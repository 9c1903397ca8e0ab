"""The fast paths' kernels, run by Triton's interpreter on a CPU, against the plain formulas in double precision."""

import copy
import importlib
import os

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ground import backbones
from ground.config import identity
from pretrain import recipes
from pretrain.branches import infonce
from pretrain.config import Fast
from pretrain.model import fast
from pretrain.model.heads import Perceptron
from pretrain.model.student_teacher import FeatureMap, StudentTeacher
from pretrain.view_config import Jitter, Photometric
from pretrain.views import photometric
from pretrain.views.draw import draw_photometric

SIZES = {
    "pretrain.branches.infonce_kernel": {"QUERIES": 16, "KEYS": 32, "PROGRAMS": 12},
    "pretrain.views.colour_kernels": {"PIXELS": 128, "PARTS": 4},
    "pretrain.model.fused_norm": {"ROWS": 32, "CHANNELS": 64, "FORWARD_PARTS": 6, "BACKWARD_PARTS": 4},
}


@pytest.fixture
def interpreted(monkeypatch):
    """Kernels as Python would run them, in tiles small enough for small tensors to need several."""
    pytest.importorskip("triton")
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("this machine has a GPU: test_fast_cuda runs the kernels themselves")
    for module, sizes in SIZES.items():
        for name, value in sizes.items():
            monkeypatch.setattr(importlib.import_module(module), name, value)


def off(got, expected):
    """The relative error, in the norm."""
    expected = expected.detach().double()
    return float((got.detach().double() - expected).norm() / expected.norm())


@pytest.mark.parametrize(
    ("channels", "side", "groups", "add", "relu"),
    [(64, 5, 1, True, True), (70, 5, 2, True, True), (64, 9, 2, False, True), (32, 3, 4, False, False)],
)
def test_a_fused_norm_is_batch_norm_of_each_group_with_gradients_and_running_numbers(
    channels, side, groups, add, relu, interpreted
):
    from pretrain.model.fused_norm import norm_act

    rng = torch.Generator().manual_seed(0)
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight, 1, 0.5)
    nn.init.normal_(norm.bias)
    plain = copy.deepcopy(norm).double()
    x = (torch.randn(4, channels, side, side, generator=rng) * 3 + 5).requires_grad_()
    shortcut = torch.randn(4, channels, side, side, generator=rng).requires_grad_() if add else None
    upstream = torch.randn(4, channels, side, side, generator=rng)
    got = norm_act(norm, x, shortcut=shortcut, relu=relu, groups=groups)
    got.backward(upstream)
    y = x.detach().double().requires_grad_()
    beside = shortcut.detach().double().requires_grad_() if add else None
    expected = torch.cat([plain(part) for part in y.chunk(groups)])
    expected = expected + beside if add else expected
    expected = expected.relu() if relu else expected
    expected.backward(upstream.double())
    assert off(got, expected) < 1e-6
    assert off(x.grad, y.grad) < 1e-6
    assert not add or off(shortcut.grad, beside.grad) < 1e-6
    assert off(norm.weight.grad, plain.weight.grad) < 1e-6
    assert off(norm.bias.grad, plain.bias.grad) < 1e-6
    assert off(norm.running_mean, plain.running_mean) < 1e-6
    assert off(norm.running_var, plain.running_var) < 1e-6
    assert norm.num_batches_tracked == plain.num_batches_tracked == groups


@pytest.fixture
def wide(interpreted, monkeypatch):
    """Tiles so large that a whole network takes few turns of the interpreter."""
    fused = importlib.import_module("pretrain.model.fused_norm")
    for name, value in {"ROWS": 1024, "CHANNELS": 256, "FEW": 256, "FORWARD_PARTS": 1, "BACKWARD_PARTS": 1}.items():
        monkeypatch.setattr(fused, name, value)


def test_stacked_views_pass_a_backbone_as_one_by_one_and_what_is_recomputed_is_the_same_bits(wide):
    torch.manual_seed(0)
    kept = FeatureMap(backbones.build("resnet10_w32", nn.BatchNorm2d, zero_residuals=False))
    plain, recomputed = copy.deepcopy(kept).double(), copy.deepcopy(kept)
    kept.fused = recomputed.fused = recomputed.recompute = True
    images, upstream = torch.randn(4, 3, 64, 64), torch.randn(4, 256, 2, 2)
    got, again = kept(images, 2), recomputed(images, 2)
    expected = torch.cat([plain(view) for view in images.double().chunk(2)])
    for maps in (got, again, expected):
        maps.backward(upstream.to(maps))
    assert torch.equal(got, again)
    assert off(got, expected) < 1e-4
    trained = [
        p
        for p in zip(kept.parameters(), recomputed.parameters(), plain.parameters(), strict=True)
        if p[0].grad is not None
    ]
    assert len(trained) > 20
    for one, other, reference in trained:
        assert torch.equal(one.grad, other.grad)
        assert off(one.grad, reference.grad) < 1e-3


@pytest.mark.parametrize(("number", "length", "channels", "temperature"), [(50, 160, 24, 0.2), (33, 100, 16, 0.07)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 1e-4)])
def test_the_kernel_and_the_blocks_are_infonce_with_gradients(
    number, length, channels, temperature, dtype, tolerance, interpreted, monkeypatch
):
    rng = torch.Generator().manual_seed(1)
    draw = [F.normalize(torch.randn(n, channels, generator=rng), dim=1).to(dtype) for n in (number, number, length)]
    queries, positives, queue = (values.float() for values in draw)
    queries = F.normalize(queries + 0.5 * positives, dim=1).to(dtype).float()
    reference = queries.double().requires_grad_()
    own = (reference * positives.double()).sum(1) / temperature
    expected = torch.logaddexp(own, (reference @ queue.double().T / temperature).logsumexp(1)) - own
    (slope,) = torch.autograd.grad(expected.sum(), reference)
    if dtype == torch.float32:
        monkeypatch.setattr(torch.Tensor, "half", lambda values: values)
    for work in (infonce._FusedInfoNCE.apply, lambda *given: infonce._QueueInfoNCE.apply(*given, 7)):
        given = queries.clone().requires_grad_()
        losses = work(given, positives, queue, temperature)
        losses.sum().backward()
        assert off(losses, expected) < tolerance
        assert off(given.grad, slope) < tolerance


@pytest.mark.parametrize(("kind", "memory"), [("bylike", torch.channels_last), ("official", torch.contiguous_format)])
def test_fused_colours_are_those_of_the_plain_functions(kind, memory, interpreted):
    settings = Photometric(jitter=Jitter(kind=kind), gray=0.3, blur=0.5, solarize=0.4, blur_kernel=9)
    rng = np.random.default_rng(0)
    drawn = torch.from_numpy(np.stack([draw_photometric(rng, settings) for _ in range(12)]))
    crops = torch.randint(0, 256, (12, 3, 10, 14), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    crops[0] = 200  # gray: no hue
    flips = torch.arange(12) % 2 == 0
    expected = photometric.apply(crops, flips, drawn, settings)
    got = photometric.fused(crops.contiguous(memory_format=memory), flips, drawn, settings, torch.float32)
    assert {float(drawn[:, column].min()) for column in (0, 5, 6, 7)} == {0.0}
    assert torch.allclose(got, expected, atol=1e-4)
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("recipe", ["pixcon-sr"])
def test_three_steps_with_fused_heads_equal_those_of_the_official_class(recipe, official, wide, monkeypatch):
    monkeypatch.setattr(Perceptron, "fused", True)
    official.compare(recipe, official.cases("parity_pixcon")[recipe], monkeypatch)


def test_a_model_with_all_fast_paths_gives_the_plain_models_losses_and_gradients(tiny, wide):
    from pretrain.branches.base import Geometry

    settings = tiny("pixcon-sr", {"views": {"size": 32}}).model
    torch.manual_seed(0)
    plain = StudentTeacher(settings)
    quick = copy.deepcopy(plain)
    fast.use_fast_paths(quick, Fast())
    assert quick.stack
    views = tuple(torch.randn(8, 3, 32, 32) for _ in range(2))
    mask, box = torch.zeros(8, 1, 1, dtype=torch.bool), torch.tensor([[0.0, 0, 9, 9]]).repeat(8, 1)
    geometry = Geometry((mask, mask), (box, box), (box, box), (mask[:, 0, 0], mask[:, 0, 0]))
    outcomes = []
    for model in (plain, quick):
        losses, pooled = model(views, geometry)
        sum(losses.values()).backward()
        model.end_step(0.9, 0)
        outcomes.append((losses, pooled))
    for name, loss in outcomes[0][0].items():
        assert float(outcomes[1][0][name]) == pytest.approx(float(loss), rel=1e-4)
    assert off(outcomes[1][1], outcomes[0][1]) < 1e-4
    for (name, one), other in zip(plain.named_buffers(), quick.buffers(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4), name


def test_a_switched_path_is_part_of_the_key_unless_it_gives_the_same_bits():
    plain = identity(recipes.resolve("pixcon-sr", {}))
    for name in Fast.model_fields:
        switched = {name: not getattr(Fast(), name)}
        other = identity(recipes.resolve("pixcon-sr", {"train": {"fast": switched}}))
        assert (other == plain) == (name == "recompute"), name
    assert "fast" not in plain["train"]
