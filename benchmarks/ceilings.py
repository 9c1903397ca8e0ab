"""What this device can do at most: a large matrix product and a large copy, on random data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from benchmarks.base import Options, Section, Size, Spread
from benchmarks.timing import device_of, release, timed

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""fp16 is for GPUs alone, as in a training."""
SIDES = {"cuda": 8192, "cpu": 1024}
BYTES = {"cuda": 4 * 2**30, "cpu": 2**28}
TOY_SIDE, TOY_BYTES = 64, 2**16


@dataclass(frozen=True)
class Ceilings:
    """``matrix``: precision → FLOP/s of a square product. ``copy``: bytes/s, those read and those written."""

    matrix: dict[str, Spread]
    copy: Spread


@cache
def ceilings(device: torch.device, size: Size, repeats: int) -> Ceilings:
    """Measured once a process."""
    wanted = {name: dtype for name, dtype in DTYPES.items() if name != "fp16" or device.type == "cuda"}
    matrix = {name: _matrix(device, dtype, size, repeats) for name, dtype in wanted.items()}
    return Ceilings(matrix, _copy(device, size, repeats))


def _matrix(device: torch.device, dtype: torch.dtype, size: Size, repeats: int) -> Spread:
    side = TOY_SIDE if size == "toy" else SIDES[device.type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    found = timed(lambda: torch.mm(a, b, out=out), device, warm=3, passes=repeats).seconds
    release(device)
    return Spread(tuple(2 * side**3 / seconds for seconds in found.values))


def _copy(device: torch.device, size: Size, repeats: int) -> Spread:
    count = TOY_BYTES if size == "toy" else BYTES[device.type]
    source = torch.randint(0, 256, (count,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found = timed(lambda: target.copy_(source), device, warm=3, passes=repeats).seconds
    release(device)
    return Spread(tuple(2 * count / seconds for seconds in found.values))


def measure(options: Options) -> Section:
    """Each precision's product, and the copy."""
    device = device_of(options)
    found = ceilings(device, options.size, options.repeats)
    section = options.begin("ceilings", "What the device can do at most", ("what", "TFLOP/s", "GB/s"))
    side = TOY_SIDE if options.size == "toy" else SIDES[device.type]
    for name, rate in found.matrix.items():
        section.rows.append({"what": f"{name} product, {side} cubed", "TFLOP/s": _scaled(rate, 1e12)})
    section.rows.append({"what": "copy, bytes read and written", "GB/s": _scaled(found.copy, 1e9)})
    if device.type == "cuda":
        section.notes.append("fp32 products run as torch's default has them: not in TF32.")
    return section


def _scaled(rate: Spread, unit: float) -> Spread:
    return Spread(tuple(value / unit for value in rate.values))
