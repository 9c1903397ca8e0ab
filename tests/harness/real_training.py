"""A process of ``test_signals``: a job as the harness runs it, whose room is the real one at the size of a test."""

import sys
from pathlib import Path

from harness import work, worker
from pretrain import recipes
from pretrain.run import run

HEADS = {name: {"hidden": 16, "out": 8} for name in ("projector", "predictor")}
TINY = {
    "views": {"size": 32, "first": {"blur_kernel": 5}, "second": {"blur_kernel": 5}},
    "model": {"backbone": "resnet10_w32", "branches": {"*": HEADS}},
    "optim": {"lr": 0.05, "warmup_epochs": 1},
    "train": {
        "epochs": 8, "batch": 4, "precision": "fp32", "threads": 1, "workers": 2, "log_every": 3,
        "channels_last": False, "device": "cpu", "checkpoint_minutes": 99,
    },
}  # fmt: skip


def main(photos, directory):
    def do(job, out, report):
        return run(recipes.resolve("byol", TINY), seed=0, folders=[Path(photos)], out=out, report=report)

    work.do = do
    return worker.main(directory)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
