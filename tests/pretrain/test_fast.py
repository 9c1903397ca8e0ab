"""The fast paths' kernels, run by Triton's interpreter on a CPU, against the plain formulas in double precision."""

import copy
import importlib
import os
from types import SimpleNamespace

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


@pytest.mark.parametrize(("shape", "groups"), [((1, 6), 1), ((4, 6), 4), ((2, 6, 1, 1), 2)])
def test_a_fused_norm_of_one_value_is_refused_as_torch_refuses_it(shape, groups, interpreted):
    from pretrain.model.fused_norm import norm_act

    norm = nn.BatchNorm1d(6) if len(shape) == 2 else nn.BatchNorm2d(6)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm(torch.ones(shape).chunk(groups)[0])
    with pytest.raises(ValueError, match=rf"two values per channel and group, got .* in {groups} groups"):
        norm_act(norm, torch.ones(shape), groups=groups)
    assert norm.running_var.isfinite().all()


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


@pytest.mark.parametrize(
    ("cuda", "autocast", "temperature", "served"),
    [(True, True, 0.2, True), (True, True, 0.07, True), (True, True, 0.069, False), (True, False, 0.2, False),
     (False, True, 0.2, False)],
)  # fmt: skip
def test_the_kernel_serves_where_half_precision_keeps_its_gradient(cuda, autocast, temperature, served, monkeypatch):
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: autocast)
    assert infonce.kernel_serves(SimpleNamespace(is_cuda=cuda), temperature) == served


def test_infonce_goes_by_the_kernel_where_it_serves_and_by_blocks_elsewhere(monkeypatch):
    asked, rows = [], torch.eye(4)
    monkeypatch.setattr(infonce, "kernel_serves", lambda queries, temperature: asked.append(temperature))
    monkeypatch.delattr(infonce, "_FusedInfoNCE")
    assert infonce.queue_infonce(rows, rows, rows, 0.05, fused=True).shape == (4,)
    assert asked == [0.05]


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
def test_three_steps_with_fused_norms_and_stacked_views_equal_those_of_the_official_class(
    recipe, official, wide, monkeypatch
):
    from pretrain.model.fused_norm import norm_act

    passes, plain = [], official.build

    class Fused(official.Backbone):
        def forward(self, images, groups=1):
            passes.append(groups)
            return norm_act(self.bn, self.conv(images), groups=groups)

    def stacked(config):
        model, trained = plain(config)
        model.stack = True
        return model, trained

    monkeypatch.setattr(official, "Backbone", Fused)
    monkeypatch.setattr(official, "build", stacked)
    monkeypatch.setattr(Perceptron, "fused", True)
    assert official.differences(recipe, official.cases("parity_pixcon")[recipe], monkeypatch) == {}
    assert set(passes) == {2}


def test_a_model_with_all_fast_paths_gives_the_plain_models_losses_gradients_and_teacher(tiny, wide, monkeypatch):
    from pretrain.branches.base import Geometry

    kernel = importlib.import_module("pretrain.branches.infonce_kernel")
    calls, attend = [], kernel.attend
    monkeypatch.setattr(kernel, "attend", lambda *given: calls.append(1) or attend(*given))
    monkeypatch.setattr(infonce, "kernel_serves", lambda *_: True)
    settings = tiny("pixcon-sr", {"views": {"size": 64}}).model
    torch.manual_seed(0)
    plain = StudentTeacher(settings)
    quick = copy.deepcopy(plain)
    fast.use_fast_paths(quick, Fast())
    assert quick.stack
    views = tuple(torch.randn(8, 3, 64, 64) for _ in range(2))
    mask, box = torch.zeros(8, 2, 2, dtype=torch.bool), torch.tensor([[0.0, 0, 9, 9]]).repeat(8, 1)
    geometry = Geometry((mask, mask), (box, box), (box, box), (mask[:, 0, 0], mask[:, 0, 0]))
    outcomes = []
    for model in (plain, quick):
        losses, pooled = model(views, geometry)
        sum(losses.values()).backward()
        torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1).step()
        model.end_step(0.9, 0)
        outcomes.append(({name: float(loss.detach()) for name, loss in losses.items()}, pooled))
    assert len(calls) == 4, "two branches, two directions, of the fast model alone"
    assert outcomes[1][0] == pytest.approx(outcomes[0][0], rel=1e-4)
    assert off(outcomes[1][1], outcomes[0][1]) < 1e-4
    ours, theirs = dict(quick.named_parameters()), dict(plain.named_parameters())
    trained = {name: parameter.grad for name, parameter in theirs.items() if parameter.grad is not None}
    # The bias before a norm has a gradient of rounding alone.
    slopes = {name: gradient for name, gradient in trained.items() if float(gradient.norm()) > 1e-4}
    assert len([name for name in slopes if name.startswith("student.")]) == 36
    assert len(trained) - len(slopes) <= 6
    for name, gradient in slopes.items():  # 3e-4 at most: queries and queues are rounded to half precision
        assert off(ours[name].grad, gradient) < 1e-3, name
    moved = [name for name in theirs if name.startswith("teacher.") or ".target." in name]
    assert len(moved) == 48
    for name in moved:
        assert off(ours[name], theirs[name]) < 1e-3, name
    for (name, one), other in zip(plain.named_buffers(), quick.buffers(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4), name


def test_a_switched_path_is_part_of_the_key_unless_it_gives_the_same_bits():
    plain = identity(recipes.resolve("pixcon-sr", {}))
    for name in Fast.model_fields:
        switched = {name: not getattr(Fast(), name)}
        other = identity(recipes.resolve("pixcon-sr", {"train": {"fast": switched}}))
        assert (other == plain) == (name == "recompute"), name
    assert "fast" not in plain["train"]
