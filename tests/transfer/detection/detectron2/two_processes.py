"""One process of ``test_processes``: a whole run; what it measured, and a hash of its last weights."""

import hashlib
import json
import os
import sys
from pathlib import Path

import torch

from transfer.run import run
from transfer.tasks import resolve

settings, weights, data, out, die_at = sys.argv[1:]
rank = int(os.environ["RANK"])


def report(step, total, **numbers):
    if step == int(die_at):
        os._exit(9)


config = resolve("voc_detection", json.loads(settings))
metrics = run(
    config, tool="detectron2", seed=0, weights=Path(weights), data=Path(data), out=Path(out), report=report
)  # fmt: skip
state = torch.load(Path(out) / "detectron2" / "model_final.pth", weights_only=True)["model"]
digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values())).hexdigest()
Path(out, f"result.{rank}.json").write_text(json.dumps({"metrics": metrics, "weights": digest}))
