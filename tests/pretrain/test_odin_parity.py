"""Our DetCon-B loss, mask sampling, pooling and label maps against numbers of the official code.

``fixtures/detcon.json``: google-deepmind/detcon run on inputs drawn as here.
"""

import json
from pathlib import Path

import pytest
import torch

from pretrain.branches import detcon
from pretrain.branches.detcon import choose_masks, detcon_loss, pool_masks
from pretrain.branches.label_maps import transfer_labels

OFFICIAL = json.loads((Path(__file__).parent / "fixtures" / "detcon.json").read_text())
IDS = [torch.tensor(ids) for ids in OFFICIAL["ids"]]
CLASSES, GRID, SPAN = 8, 7, 448


def vectors():
    rng = torch.Generator().manual_seed(11)
    first, second, *targets = (torch.randn(4, 6, 5, generator=rng) for _ in range(4))
    return [first.requires_grad_(), second.requires_grad_()], targets


def directions(predictions, targets, ids, part=slice(None)):
    return [
        detcon_loss(
            predictions[view][part], targets[view][part], targets[1 - view][part],
            ids[view][part], ids[1 - view][part], OFFICIAL["source"]["temperature"],
        )
        for view in (0, 1)
    ]  # fmt: skip


def test_both_directions_and_their_gradients_equal_the_official_ones():
    predictions, targets = vectors()
    losses = directions(predictions, targets, IDS)
    sum(losses).backward()
    assert [loss.item() for loss in losses] == pytest.approx(OFFICIAL["directions"], rel=1e-5)
    assert sum(losses).item() == pytest.approx(OFFICIAL["loss"], rel=1e-5)
    for prediction, expected in zip(predictions, OFFICIAL["gradients"], strict=True):
        assert prediction.grad.flatten().tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_without_any_positive_loss_and_gradient_vanish():
    predictions, targets = vectors()
    sum(directions(predictions, targets, [IDS[0], IDS[1] + 100])).backward()
    expected = OFFICIAL["without_positive"]
    assert sum(directions(predictions, targets, [IDS[0], IDS[1] + 100])).item() == expected["loss"]
    assert predictions[0].grad.norm().item() == expected["gradient_norm"]


@pytest.mark.parametrize("device", [0, 1])
def test_keys_of_all_processes_are_negatives(device, monkeypatch):
    predictions, targets = vectors()
    everyone = {id(t): t for t in targets}
    share = slice(2 * device, 2 * device + 2)

    def gather(values):
        whole = [torch.nn.functional.normalize(t, dim=2) for t in everyone.values()]
        return next(each for each in whole if torch.equal(each[share], values))

    monkeypatch.setattr(detcon, "gather", gather)
    monkeypatch.setattr(detcon, "rank", lambda: device)
    loss = sum(directions(predictions, targets, IDS, share))
    assert loss.item() == pytest.approx(OFFICIAL["two_devices"][device], rel=1e-5)


def labels_of(case):
    span = torch.randint(0, 5, (4, 14, 14), generator=torch.Generator().manual_seed(13))
    x, y, w, h = case["crop"]
    box = [x + w, y, x, y + h] if case["flip"] else [x, y, x + w, y + h]
    whole, crop = torch.tensor([[0.0, 0, SPAN, SPAN]] * 4), torch.tensor([box] * 4, dtype=torch.float32)
    return transfer_labels(span, whole, crop, GRID, CLASSES)


@pytest.mark.parametrize("case", OFFICIAL["masks"], ids=lambda case: f"{case['crop']}{case['flip']}")
def test_labels_and_pooled_features_equal_those_of_masks_in_pixels(case):
    labels = labels_of(case).flatten(1)
    assert ["".join(map(str, row)) for row in labels.tolist()] == case["labels"]
    cells = torch.randn(4, 49, 8, generator=torch.Generator().manual_seed(12))
    pooled = pool_masks(cells, labels, torch.tensor(case["ids"]))
    assert pooled.flatten()[::37].tolist() == pytest.approx(case["pooled"], rel=1e-5, abs=1e-7)


def test_masks_are_drawn_from_those_that_exist_all_alike():
    labels = labels_of(OFFICIAL["masks"][2]).flatten(1)
    uniform = torch.rand(4, 4000, generator=torch.Generator().manual_seed(0))
    drawn = choose_masks(labels, CLASSES, uniform)
    for image, official in enumerate(OFFICIAL["frequencies_of_4000_draws"]):
        ours = torch.bincount(drawn[image], minlength=CLASSES).tolist()
        assert [count > 0 for count in ours] == [count > 0 for count in official]
        assert ours == pytest.approx(official, abs=120)
