"""One process of ``test_processes``: a run, and once more with a request to stop that only the second process hears."""

import json
import os
import sys
from pathlib import Path

import torch

from ground import stopping
from ground.stopping import Stopped
from transfer.run import run
from transfer.tasks import parse


def main(settings, scenes, weights, out, result):
    config = parse(json.loads(settings), "the test")
    heard, stopped = [], []

    def report(step, total, **numbers):
        heard.append(step)

    arguments = {"tool": "mmsegmentation", "seed": 0, "weights": weights, "data": scenes}
    metrics = [run(config, out=out / "straight", report=report, **arguments)]
    if os.environ["RANK"] == "1":
        stopping.ask("SIGTERM")
    try:
        run(config, out=out / "again", report=lambda *_, **__: None, **arguments)
    except Stopped as stop:
        stopped.append(str(stop))
    stopping.forget()
    torch.distributed.barrier()  # the first process has written
    stopped.append(torch.load(out / "again" / "checkpoint.pt", weights_only=True)["meta"]["iter"])
    metrics.append(run(config, out=out / "again", report=lambda *_, **__: None, **arguments))
    result.write_text(json.dumps({"metrics": metrics, "heard": heard, "stopped": stopped}))


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
