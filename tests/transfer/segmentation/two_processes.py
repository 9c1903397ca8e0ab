"""One process of ``test_processes``: a run, and its second half once more from the checkpoint of its middle."""

import json
import shutil
import sys
from pathlib import Path

from transfer.run import run
from transfer.tasks import parse


def main(settings, scenes, weights, out, result):
    config = parse(json.loads(settings), "the test")
    straight, again = out / "straight", out / "again"
    heard = []

    def report(step, total, **numbers):
        heard.append(step)
        if step == 5:  # the checkpoint there is of iteration 4
            again.mkdir()
            shutil.copy(straight / "checkpoint.pt", again / "checkpoint.pt")

    arguments = {"tool": "mmsegmentation", "seed": 0, "weights": weights, "data": scenes}
    metrics = [run(config, out=straight, report=report, **arguments)]
    metrics.append(run(config, out=again, report=lambda *_, **__: None, **arguments))
    result.write_text(json.dumps({"metrics": metrics, "heard": heard}))


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
