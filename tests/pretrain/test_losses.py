"""InfoNCE in blocks, matching and reweighting against their plain formulas and corner cases."""

import pytest
import torch
import torch.nn.functional as F

from pretrain.branch_config import Head
from pretrain.branches.infonce import queue_infonce
from pretrain.branches.matching import by_coordinate, by_similarity
from pretrain.branches.reweighting import semantic_weights, weighted_mean
from pretrain.model.heads import perceptron
from pretrain.model.norm import SyncBatchNorm, in_groups


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.mark.parametrize("block", [1, 7, 100])
def test_infonce_in_blocks_equals_cross_entropy_with_gradients(block):
    queue, keys = unit(50, 8, seed=1), unit(20, 8, seed=2)
    ours, plain = (unit(20, 8).requires_grad_() for _ in range(2))
    logits = torch.cat([(plain * keys).sum(1, keepdim=True), plain @ queue.T], 1) / 0.2
    expected = F.cross_entropy(logits, torch.zeros(20, dtype=torch.long), reduction="none")
    got = queue_infonce(ours, keys, queue, 0.2, block)
    weights = torch.rand(20, generator=torch.Generator().manual_seed(3))
    (got * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.allclose(got, expected, atol=1e-6)
    assert torch.allclose(ours.grad, plain.grad, atol=1e-6)


def test_infonce_survives_its_queue_being_overwritten_before_backward():
    queue, query = unit(30, 8, seed=1), unit(4, 8).requires_grad_()
    loss = queue_infonce(query, unit(4, 8, seed=2), queue, 0.2)
    queue.zero_()
    loss.sum().backward()
    assert torch.isfinite(query.grad).all()
    assert query.grad.norm() > 0


def test_similarity_finds_the_same_cell_of_the_same_view():
    cells = torch.randn(2, 49, 16, generator=torch.Generator().manual_seed(0))
    found = by_similarity(cells, cells * 3)
    assert torch.equal(found.index, torch.arange(49).expand(2, -1))
    assert torch.allclose(found.similarity, torch.ones(2, 49), atol=1e-5)


def test_coordinates_of_a_mirrored_view_match_the_mirrored_column():
    plain, mirrored = torch.tensor([[10.0, 20, 80, 90]]), torch.tensor([[80.0, 20, 10, 90]])
    found = by_coordinate(plain, mirrored, 7, 0.7)
    rows, columns = torch.meshgrid(torch.arange(7), torch.arange(7), indexing="ij")
    assert torch.equal(found.index[0], (rows * 7 + (6 - columns)).flatten())
    assert found.valid.all()
    assert found.similarity.abs().max() < 1e-6


def test_coordinates_far_from_the_other_view_do_not_count():
    near, far = torch.tensor([[0.0, 0, 70, 70]]), torch.tensor([[35.0, 0, 105, 70]])
    valid = by_coordinate(near, far, 7, 0.7).valid.view(7, 7)
    assert not valid[:, :3].any()
    assert valid[:, 3:].all()


@pytest.mark.parametrize(
    ("similarity", "in_box", "expected"),
    [
        ([0.9, 0.5, 0.7, 0.6], [1, 0, 0, 0], [1, 0, 1, 0.25]),
        ([0.9, 0.5, 0.7, 0.6], [1, 1, 1, 1], [1, 1, 1, 1]),
        ([0.9, 0.5, 0.7, 0.6], [0, 0, 0, 0], [1, 0, 0.25, 0.0625]),
        ([0.2, 0.5, 0.7, 0.6], [1, 0, 0, 0], [1, 0.36, 1, 0.64]),
        ([0.9, 0.5, 0.5, 0.5], [1, 0, 0, 0], [1, 0, 0, 0]),  # 0 / 0 in the released code
    ],
)
def test_semantic_weights_are_those_of_known_cases(similarity, in_box, expected):
    weights = semantic_weights(torch.tensor([similarity]), torch.tensor([in_box], dtype=torch.bool), 2.0)
    assert weights[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_weighted_mean_is_taken_per_group_then_averaged():
    losses, weights = torch.tensor([[1.0, 2], [3, 4], [5, 6], [7, 8]]), torch.tensor([[1.0, 1], [0, 2], [1, 0], [0, 0]])
    expected = ((1 + 2 + 8) / 4 + 5) / 2
    assert weighted_mean(losses, weights, 2).item() == pytest.approx(expected)
    assert weighted_mean(losses, torch.zeros_like(weights), 2).item() == 0


def test_a_deeper_head_repeats_its_hidden_layer():
    head = perceptron(6, Head(hidden=5, out=4, layers=3, activation="gelu", init="trunc_normal"))
    kinds = [type(layer).__name__ for layer in head]
    assert kinds == ["Linear", "SyncBatchNorm", "GELU", "Linear", "SyncBatchNorm", "GELU", "Linear"]
    linears = [layer for layer in head if isinstance(layer, torch.nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in linears] == [(5, 6), (5, 5), (4, 5)]
    assert all(not layer.bias.any() for layer in linears)
    assert all(0 < layer.weight.detach().std() < 0.03 for layer in linears)


@pytest.mark.parametrize(("images", "group"), [(3, 4), (4, 4), (8, 4)])
def test_batch_norm_sees_one_group_at_a_time_and_fewer_images_than_a_group_as_one(images, group):
    norm, plain = SyncBatchNorm(2), torch.nn.BatchNorm2d(2)
    batch = torch.randn(images, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.cat([plain(part) for part in batch.split(group)])
    assert torch.equal(in_groups(norm, batch, group), expected)
    assert torch.equal(norm.running_mean, plain.running_mean)
