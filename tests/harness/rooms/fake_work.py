"""The work of the fake rooms: a chain of hashes with a checkpoint, steered from outside by files in $FAKE_CONTROL.

``<control>/hold.<name>`` makes a job wait at its middle; ``<control>/fail.<name>`` makes it fail with that kind;
``<control>/eat.<name>`` makes it use so many megabytes. Every execution appends a line to ``<control>/executions``, and
to ``<control>/completions`` when it comes to its end.
"""

import hashlib
import json
import os
import time
from pathlib import Path

from ground import stopping
from ground.errors import DataError, DivergedError, StorageError
from ground.files import write_json


def control():
    return Path(os.environ["FAKE_CONTROL"])


def read(inputs):
    """What the parents' directories hold, told apart by role and file."""
    files = [(role, path) for role, folder in sorted(inputs.items()) for path in sorted(folder.glob("*"))]
    ours = [(role, path) for role, path in files if path.suffix in {".txt", ".safetensors"} and path.name != "log.txt"]
    return "".join(f" {role}/{path.name}={path.read_text()}" for role, path in ours)


def chain(name, start, steps, out, report):
    """After ``steps`` hashes of ``start``: a number in [0, 100); goes on from ``out/checkpoint.json``."""
    checkpoint = out / "checkpoint.json"
    done, value = json.loads(checkpoint.read_text()) if checkpoint.exists() else (0, start)
    with open(control() / "executions", "a") as file:
        file.write(f"{name} {os.getpid()} {done}\n")
    fail = control() / f"fail.{name}"
    if fail.exists():
        kind = fail.read_text()
        errors = {
            "data": DataError("scenes/1.jpg", "is truncated", "Replace it."),
            "storage": StorageError("x", "full", "Free."),
            "diverged": DivergedError("iteration 3", "loss nan on images 1.jpg", "Lower the learning rate."),
        }
        raise errors.get(kind) or RuntimeError(f"a bug in {name}")
    eat = control() / f"eat.{name}"
    meal = b"x" * (int(eat.read_text()) << 20) if eat.exists() else b""
    for step in range(done, steps):
        value = hashlib.sha256(value.encode()).hexdigest()
        write_json(checkpoint, (step + 1, value))
        stopping.check()
        report(step + 1, steps, loss=_number(value))
        while step == steps // 2 and (control() / f"hold.{name}").exists():
            time.sleep(0.01)
            stopping.check()
            report(step + 1, steps, loss=_number(value))
    del meal
    with open(control() / "completions", "a") as file:
        file.write(f"{name}\n")
    return _number(value)


def _number(value):
    return int(value[:6], 16) / 16**6 * 100
