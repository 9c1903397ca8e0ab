"""One process of ``test_distributed``: one step on this rank's share of a fixed batch."""

import faulthandler
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors.numpy import save_file

from ground import distributed
from ground.config import merge
from pretrain import recipes
from pretrain.model.student_teacher import StudentTeacher
from pretrain.prepare import selective_search
from pretrain.prepare.found import Found
from pretrain.prepare.ragged import Ragged
from pretrain.training.loop import Trainer
from pretrain.view_config import OBJECTS, PROPOSALS
from pretrain.views.dataset import Batch
from pretrain.views.registry import build_layout

BATCH, GRID = 8, 2
SPECIAL = {
    "orl": {"views": {"extra": {"size": 32}}},
    "odin": {
        "views": {"extra": {"size": 96}},
        "model": {"branches": {"objects": {"discovery": {"clusters": 4, "samples": 3}}}},
    },
    "univip": {"views": {"extra": {"size": 32}}},
}
"""What a recipe needs beside the settings of all."""


def config(name, changes):
    heads = {part: {"hidden": 16, "out": 8} for part in ("projector", "predictor")}
    settings = {
        "views": {"size": 64},
        "model": {
            "backbone": "resnet10_w32",
            "branches": {"*": {**heads, "queue": 32, "prototypes": 8}},
            "norm": {"group": 2},
        },
        "train": {"epochs": 1, "batch": BATCH, "precision": "fp32", "threads": 1, "channels_last": False},
        "optim": {"lr": 0.01, "warmup_epochs": 0},
    }
    return recipes.resolve(name, merge(merge(settings, SPECIAL.get(name, {})), changes))


def fixed_batch(shown, rank, world):
    """Random pixels for each view of ``shown``; boxes of the views after the second cover those of the first two."""
    rng = torch.Generator().manual_seed(0)
    share = slice(rank * BATCH // world, (rank + 1) * BATCH // world)

    def pair(draw):
        return tuple(draw()[share] for _ in range(2))

    more = len(shown) - 2
    boxes = pair(lambda: torch.tensor([[0.0, 0.0, 60.0, 60.0]]) + torch.rand(BATCH, 4, generator=rng) * 10)

    return Batch(
        list(range(BATCH))[share],
        crops=tuple(
            torch.randint(0, 256, (BATCH, 3, view.size, view.size), generator=rng, dtype=torch.uint8)[share]
            for view in shown
        ),
        flips=(
            *pair(lambda: torch.rand(BATCH, generator=rng) < 0.5),
            *[torch.zeros(BATCH, dtype=torch.bool)[share]] * more,
        ),
        drawn=tuple(torch.zeros(BATCH, 12)[share] for _ in shown),
        masks=pair(lambda: torch.rand(BATCH, GRID, GRID, generator=rng) < 0.5),
        boxes=(*boxes, *[torch.tensor([[0.0, 0, 70, 70]] * BATCH)[share]] * more),
        overlaps=pair(lambda: torch.rand(BATCH, 4, generator=rng).sort(1).values),
        sizes=pair(lambda: torch.full((BATCH, 2), 80.0)),
    )


def found(folder):
    """What layouts of patches are made of; nothing is cut from it here."""
    one = Ragged.stack([np.ones((1, 4), np.uint16)])
    Found(one, np.zeros((1, 1), np.int32), Ragged.stack([np.zeros((1, 2), np.uint16)])).save(folder)
    save_file({"boxes": one.values, "offsets": one.offsets}, folder / selective_search.NAME)
    return {OBJECTS: folder, PROPOSALS: folder}


def main(name, out, changes):
    faulthandler.dump_traceback_later(80, exit=True)  # a process that waits for the other says where
    torch.set_num_threads(1)
    distributed.start(torch.device("cpu"))
    torch.manual_seed(0)
    settings = config(name, json.loads(changes))
    layout = build_layout(settings.views, found(Path(out) / "found" / str(distributed.rank())))
    trainer = Trainer(settings, StudentTeacher(settings.model), layout, torch.device("cpu"), seed=0)
    batch = fixed_batch(layout.shown, distributed.rank(), distributed.world())
    outcome = trainer.step(batch, 0, 1, 1)
    losses = torch.stack(list(outcome.losses.values()))
    if distributed.world() > 1:
        dist.all_reduce(losses)
    if distributed.rank() == 0:
        resnet = trainer.model.student.resnet
        state = trainer.model.state_dict()
        queues = [value for key, value in state.items() if key.endswith("queue.keys")]
        centres = [value for key, value in state.items() if key.endswith(".centre")]
        result = {
            "losses": (losses / distributed.world()).tolist(),
            "gradients": [float(p.grad.norm()) for p in trainer.model.parameters() if p.grad is not None],
            "running_mean": resnet.layer4[0].bn2.running_mean[:20].tolist(),
            "queue": queues[0][:BATCH].flatten().tolist() if queues else None,
            "centre": centres[0].tolist() if centres else None,
        }
        (Path(out) / "result.json").write_text(json.dumps(result))
    del trainer, outcome
    distributed.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
