"""Every recipe learns: its loss on one batch falls, the gradient reaches the first layer, the backbone is exported."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from ground import backbones
from ground.config import merge
from pretrain import recipes
from pretrain.data import images
from pretrain.inputs import Correspondences, SelectiveSearch
from pretrain.model.student_teacher import StudentTeacher
from pretrain.prepare import selective_search
from pretrain.prepare.found import Found
from pretrain.prepare.ragged import Ragged
from pretrain.run import BACKBONE
from pretrain.training.export import export_backbone
from pretrain.training.loop import Trainer, exported
from pretrain.views.dataset import ViewsDataset
from pretrain.views.pictures import Files
from pretrain.views.registry import build_layout
from transfer.weights import load_backbone

LEARNING = [name for name in recipes.names() if not recipes.resolve(name, {}).initial]

STEPS = 25
SHARE = 0.15
"""Of what a loss stands above its floor, the least that must go; 22 % is the least seen (slotcon-sim-sr)."""
FLOOR = {"pixel_propagation": -4.0}
"""Least value of a term by kind of branch, where it is not 0: two directions of minus two cosines."""
SMALL = {
    "object_masks": {
        "views": {"extra": {"size": 128}},
        "model": {"branches": {"objects": {"discovery": {"refresh_epochs": 1, "clusters": 4, "samples": 4}}}},
    },
    "object_pairs": {"views": {"extra": {"size": 32}}},
    "scene_instances": {"views": {"extra": {"size": 32, "boxes": {"min_side": 8}}}},
    # LARS scales matrices alone: biases and norms take the whole rate, and at 0.02 slots are thrown about at first.
    "semantic_grouping": {"optim": {"lr": 0.003}},
    "pixel_propagation": {"optim": {"lr": 1.0}},
}
"""What a recipe needs at this scale, by kind of branch."""


def write_inputs(config, count, folder):
    """What each of the recipe's inputs would leave, in its own format: three regions an image."""
    rows = [np.array([[4, 5, 24, 20], [20, 10, 24, 24], [10, 22, 20, 28]], np.uint16)] * count
    found = {}
    for role, each in config.inputs.items():
        found[role] = folder / role
        found[role].mkdir()
        if isinstance(each, SelectiveSearch):
            boxes = Ragged.stack(rows)
            save_file({"boxes": boxes.values, "offsets": boxes.offsets}, found[role] / selective_search.NAME)
        else:
            assert isinstance(each, Correspondences)
            near = np.array([[(index + 1) % count] for index in range(count)], np.int32)
            pairs = Ragged.stack([np.array([[0, 2]], np.uint16)] * count)
            Found(Ragged.stack(rows), near, pairs).save(found[role])
    return found


def prepared(name, tiny, photos, folder):
    """A recipe's trainer and one batch of it: (trainer, views, geometry)."""
    kinds = {branch.kind for branch in recipes.resolve(name, {}).model.branches.values()}
    settings = {}
    for kind in sorted(kinds & SMALL.keys()):
        settings = merge(settings, SMALL[kind])
    config = tiny(name, settings)
    paths = list(images(photos))
    layout = build_layout(config.views, write_inputs(config, len(paths), folder))
    torch.manual_seed(0)
    trainer = Trainer(config, StudentTeacher(config.model), layout, torch.device("cpu"), seed=0)
    for group in trainer.optimizer.param_groups:
        group["lr"] = config.optim.lr
    dataset = ViewsDataset(Files(paths), layout, 2, seed=0)
    return trainer, *trainer.to_device(dataset[[(0, index) for index in range(config.train.batch)]])


@pytest.mark.parametrize("name", LEARNING)
def test_it_learns_one_batch_and_hands_over_what_it_learnt(name, tiny, photos, tmp_path):
    """Teacher and queues stay as they are meanwhile: what falls is the student's doing."""
    trainer, views, geometry = prepared(name, tiny, photos, tmp_path)
    model = trainer.model
    model.start_epoch(0)
    first_convolution = model.student.resnet.conv1.weight
    before = exported(trainer).conv1.weight.clone()
    losses = []
    for _ in range(STEPS):
        torch.manual_seed(5)  # ShuffleBN and Odin draw
        loss = torch.stack(list(model(views, geometry)[0].values())).sum()
        trainer.optimizer.zero_grad()
        loss.backward()
        if not losses:
            assert first_convolution.grad is not None
            assert float(first_convolution.grad.norm()) > 1e-4
        trainer.optimizer.step()
        losses.append(loss.item())
    floor = sum(FLOOR.get(branch.kind, 0.0) for branch in trainer.config.model.branches.values())
    assert losses[-1] - floor < (1 - SHARE) * (losses[0] - floor)

    model.end_step(0.9, 0)
    export_backbone(tmp_path / BACKBONE, exported(trainer))
    net = backbones.build("resnet10_w32")
    load_backbone(net, tmp_path / BACKBONE)
    assert not torch.equal(net.conv1.weight, before)
    for mine, theirs in zip(net.parameters(), exported(trainer).parameters(), strict=True):
        assert torch.equal(mine, theirs)
