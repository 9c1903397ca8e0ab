"""One process of ``test_distributed``: a whole pre-training, or one that ends without a word after some step.

A last step of ``asked`` leaves a request to stop with the second process, before it begins.
"""

import faulthandler
import json
import os
import sys
from pathlib import Path

from two_processes import config

from ground import stopping
from ground.stopping import Stopped
from pretrain.run import run


def main(name, out, changes, photos, last):
    faulthandler.dump_traceback_later(80, exit=True)  # a process that waits for the other says where

    def report(step, total, **numbers):
        if str(step) == last:
            os._exit(9)

    if last == "asked" and os.environ["RANK"] == "1":
        stopping.ask("SIGUSR2")
    try:
        metrics = run(config(name, json.loads(changes)), seed=0, folders=[Path(photos)], out=Path(out), report=report)
    except Stopped as stop:
        metrics = {"stopped": str(stop)}
    if os.environ["RANK"] == "0":
        (Path(out) / "result.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    main(*sys.argv[1:])
