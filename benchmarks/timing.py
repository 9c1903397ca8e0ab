"""Clocks and memory of the device that is measured."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from benchmarks.base import Options, Spread
from pretrain import device as devices

MEMORY_EVENT = "[memory]"


@dataclass(frozen=True)
class Timed:
    """Seconds of each pass; the most bytes that tensors took, and that the allocator held, after the first pass."""

    seconds: Spread
    peak: int
    held: int | None = None


def device_of(options: Options) -> torch.device:
    """The device asked for, or a GPU if there is one."""
    return devices.choose(options.device, "--device")


def wait_for(device: torch.device) -> None:
    """Until the device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def clock() -> float:
    """Seconds on a CPU: of the processor where one thread computes, which no other work on the machine lengthens."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def timed(work: Callable[[], object], device: torch.device, *, warm: int, passes: int) -> Timed:
    """``passes`` passes, timed one by one, after ``warm`` (at least one) that are not.

    On a GPU by events, so that the host may run ahead as it does in a training. Peaks there are of all passes but the
    first, in which convolutions may be searched for: a pass that is recorded takes its memory when it is. On a CPU it
    is what the last of the warm passes took above what it found.
    """
    if device.type != "cuda":
        for _ in range(warm - 1):
            work()
        taken, values = _taken(work), []
        for _ in range(passes):
            began = clock()
            work()
            values.append(clock() - began)
        return Timed(Spread(tuple(values)), taken)
    work()
    wait_for(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    for _ in range(warm - 1):
        work()
    marks: list[Any] = [torch.cuda.Event(enable_timing=True) for _ in range(passes + 1)]
    marks[0].record()
    for mark in marks[1:]:
        work()
        mark.record()
    wait_for(device)
    between = [begin.elapsed_time(end) / 1000 for begin, end in pairwise(marks)]
    peak, held = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
    return Timed(Spread(tuple(between)), peak, held)


def _taken(work: Callable[[], object]) -> int:
    """The most bytes of host memory that a pass holds above those it found."""
    of = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=of, profile_memory=True, acc_events=True) as profile:
        work()
    result = profile.profiler.kineto_results
    moves = [event for event in result.events() if event.name() == MEMORY_EVENT]
    held = most = 0
    for event in sorted(moves, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def release(device: torch.device) -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
