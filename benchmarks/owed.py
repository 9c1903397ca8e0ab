"""What is still owed of one GPU, most important first: ``python -m benchmarks.owed``, in 520 s at most.

Every part is a command line of its own (docs/performance.md, "Not run on a GPU so far") with a limit of its own. All
limits together are more than 520 s: those of ``--group first``, and of ``second``, are not; without a group, parts that
do not fit are named as not begun. What a part says is kept as it says it in ``OUT/NAME.log``, a benchmark's numbers
beside it in ``OUT/NAME/``: whatever stops later parts, these stay.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.base import say

ALL = 520.0
"""Seconds of one call."""
LEAST = 15.0
"""Seconds below which no part is begun."""
GRACE = 10.0
"""Seconds that a part has to write down what it found when its time is over."""
TOY = "--size toy --device cpu --repeats 1 --batch 4"


@dataclass(frozen=True)
class Part:
    """One command; ``most`` seconds of it."""

    name: str
    most: int
    group: Literal["first", "second"]
    """The call that it fits in."""
    line: str
    """What comes after ``python -m``."""


PARTS = (
    Part(
        "step", 100, "first",
        "harness.cli bench ceilings step --recipes pixcon-sr --batch 128 --batch 512 --repeats 2 --seconds 20",
    ),
    Part("feeding", 130, "first", "harness.cli bench feeding --batch 512 --repeats 1"),
    Part(
        "without-dense-branch", 45, "first",
        "harness.cli bench step --recipes pixcon-sr --batch 512 --repeats 1 --set pretrain.model.branches.pixel=null",
    ),
    Part("tests", 260, "second", "pytest -v tests/pretrain/test_fast_cuda.py"),
    Part(
        "recipes", 130, "first",
        "harness.cli bench step --recipes byol,densecl,pixpro,slotcon,orl,univip,odin --batch 128 --repeats 1",
    ),
    Part(
        "as-one-of-several", 45, "first",
        "harness.cli bench step --recipes pixcon-sr --batch 64 --batch 128 --repeats 1 "
        "--set pretrain.train.fast.norms=false --set pretrain.train.fast.graph=false",
    ),
    Part("parts", 60, "second", "harness.cli bench parts --recipes pixcon-sr,slotcon,pixpro --batch 128 --repeats 3"),
    Part("evaluation", 90, "second", "harness.cli bench evaluation --repeats 1"),
)  # fmt: skip


def command(part: Part, options: argparse.Namespace) -> list[str]:
    """The part's arguments; at toy size on a CPU, to see that it runs."""
    words = shlex.split(part.line)
    if words[0] == "pytest":
        return [sys.executable, "-m", *words]
    words += ["--out", str(options.out / part.name)]
    if options.official and part.name == "step":
        words += ["--official", options.official]
    if options.images and part.name == "feeding":
        words += ["--images", options.images]
    if options.toy:  # the last of an option counts, but batches add up
        words = [word for at, word in enumerate(words) if "--batch" not in (word, words[at - 1])] + shlex.split(TOY)
    return [sys.executable, "-m", *words]


def run(words: Sequence[str], log: Path, seconds: float) -> str:
    """How it ended: ``done``, ``failed`` or ``out of time``."""
    with log.open("w") as said:
        said.write(f"$ {shlex.join(words)}\n")
        said.flush()
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT, env=environment)
        try:
            return "failed" if process.wait(seconds) else "done"
        except subprocess.TimeoutExpired:
            return "out of time"
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C would, and after a while for good."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def parser() -> argparse.ArgumentParser:
    """What ``main`` takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.owed", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/owed"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=ALL, metavar="N", help="of all of it (default: %(default)s)")
    parser.add_argument("--group", choices=("first", "second"), help="only the parts that fit this call")
    parser.add_argument("--only", action="append", default=[], choices=[part.name for part in PARTS], help="this part")
    parser.add_argument("--official", metavar="DIR", help="folder with the published steps: benchmarks/published.py")
    parser.add_argument("--images", metavar="DIR", help="photographs for `feeding` (default: pictures that it invents)")
    parser.add_argument("--toy", action="store_true", help="small, on a CPU: does it run?")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what there is time for; 1 if a part failed or was left out."""
    options = parser().parse_args(arguments)
    # Where a shell starts this in the background Ctrl-C is ignored, and would be by the parts, which are cut by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options.out.mkdir(parents=True, exist_ok=True)
    end, ends = time.monotonic() + options.seconds, {}
    for part in PARTS:
        if (options.only and part.name not in options.only) or options.group not in (None, part.group):
            continue
        left = end - time.monotonic() - GRACE
        if left < LEAST:
            ends[part.name] = "not begun: no time was left"
            continue
        words, log = command(part, options), options.out / f"{part.name}.log"
        say(f"{part.name}, {min(part.most, left):.0f} s at most: {shlex.join(words[1:])}")
        began = time.monotonic()
        ends[part.name] = run(words, log, min(part.most, left))
        say(f"{part.name}: {ends[part.name]} after {time.monotonic() - began:.0f} s, {log}")
    print("\n".join(f"{name}: {how}" for name, how in ends.items()))
    return int(any(how != "done" for how in ends.values()))


if __name__ == "__main__":
    sys.exit(main())
