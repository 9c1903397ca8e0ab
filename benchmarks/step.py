"""The training step of each recipe: images/s, memory, arithmetic, and the same beside the published code."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from types import ModuleType
from typing import Any

import torch

from benchmarks import published
from benchmarks.base import Options, Section, Spread, ratio, say, short
from benchmarks.ceilings import ceilings
from benchmarks.timing import Timed, device_of, release, timed
from benchmarks.training import build, settings, trained
from benchmarks.work import of_step
from pretrain.config import PretrainConfig

BATCHES = {"cuda": (128, 512), "cpu": (8,)}
WARM, PASSES = {"cuda": 5, "cpu": 1}, {"cuda": 5, "cpu": 1}
"""Steps of a turn before it is timed, and timed. A step that is recorded is so at the fourth."""
COLUMNS = (
    "recipe", "batch", "what", "images/s", "× published", "peak GiB", "× peak", "held GiB", "TFLOP/s",
    "of the matrix ceiling", "of the copy ceiling",
)  # fmt: skip
OURS, WHOLE, PUBLISHED = "ours", "ours, with the views' colours", "published"
Start = Callable[[], Callable[[], object]]


def measure(options: Options) -> Section:
    """Every recipe at every batch, ours and, where there is one, the published one."""
    device = device_of(options)
    section = options.begin("step", "Training step", COLUMNS)
    batches = options.batches or ((4,) if options.size == "toy" else BATCHES[device.type])
    names = options.recipes or (("pixcon-sr",) if options.size == "toy" else tuple(trained()))
    official = published.load(options.official)
    section.notes += _notes(device, options)
    for name in names:
        for batch in batches:
            say(f"step: {name}, {batch} images")
            _compare(section, options, device, settings(options, name, batch, device), official)
    return section


def _compare(
    section: Section, options: Options, device: torch.device, config: PretrainConfig, official: ModuleType | None
) -> None:
    """A recipe's rows at one batch; those of the turns until then, if it is stopped."""
    contenders = _contenders(config, device, official)
    found: dict[str, list[Timed]] = {name: [] for name in contenders}
    lost: set[str] = set()
    try:
        _turns(options, device, config, contenders, found, lost)
    finally:
        told = {name: [] if name in lost else found[name] for name in contenders if name in lost or found[name]}
        rows = {name: _row(config, device, name, times) for name, times in told.items()}
        if rows.keys() - lost >= {PUBLISHED, OURS}:
            _beside(config, rows, found)
        section.rows += rows.values()
    _of_ceilings(list(rows.values()), options, device, config)


def _turns(
    options: Options,
    device: torch.device,
    config: PretrainConfig,
    contenders: dict[str, Start],
    found: dict[str, list[Timed]],
    lost: set[str],
) -> None:
    """Each contender in turn; into ``found``, and whose memory did not suffice into ``lost``."""
    began = time.monotonic()
    for turn in range(options.repeats):
        if turn == 1:
            began = time.monotonic()  # in the first turn kernels are compiled and convolutions searched for
        elif turn and options.seconds and time.monotonic() - began > options.seconds:
            break
        for name, start in contenders.items():
            if name in lost or (turn and name == WHOLE and PUBLISHED in contenders):
                continue
            try:
                found[name].append(_turn(start, device))
                say(
                    f"{name}: {_images(config, found[name][-1:])} images/s, peak {found[name][-1].peak / 2**30:.2f} GiB"
                )
            except torch.cuda.OutOfMemoryError:
                lost.add(name)
            release(device)


def _contenders(config: PretrainConfig, device: torch.device, official: ModuleType | None) -> dict[str, Start]:
    """What is measured in turn, each built anew at its turn: together they would not fit, and share the peak."""

    def network() -> Callable[[], object]:
        training = build(config, device)
        training.ready()
        return training.step

    contenders: dict[str, Start] = {OURS: network, WHOLE: lambda: build(config, device).step}
    if official is not None and config.recipe in official.RECIPES:
        contenders = {PUBLISHED: lambda: published.step(official, config, device), **contenders}
    return contenders


def _turn(start: Start, device: torch.device) -> Timed:
    return timed(start(), device, warm=WARM[device.type], passes=PASSES[device.type])


def _row(config: PretrainConfig, device: torch.device, name: str, times: list[Timed]) -> dict[str, Any]:
    precision = published.PRECISION[device.type] if name == PUBLISHED else config.train.precision
    row: dict[str, Any] = {"recipe": config.recipe, "batch": config.train.batch, "what": f"{name}, {precision}"}
    if not times:
        return {**row, "what": f"{row['what']}: out of memory"}
    row["images/s"] = _images(config, times)
    row["peak GiB"] = round(median(each.peak for each in times) / 2**30, 3)
    if all(each.held is not None for each in times):
        row["held GiB"] = round(median(each.held or 0 for each in times) / 2**30, 3)
    return row


def _images(config: PretrainConfig, times: list[Timed]) -> Spread:
    """Images a second of every step that was timed."""
    return Spread(tuple(config.train.batch / seconds for each in times for seconds in each.seconds.values))


def _beside(config: PretrainConfig, rows: dict[str, dict[str, Any]], found: dict[str, list[Timed]]) -> None:
    """Ours as shares of the published step's numbers, turn by turn."""
    whole = min(len(found[OURS]), len(found[PUBLISHED]))  # one that was stopped may have come to one of them alone
    speeds = {
        name: Spread(tuple(config.train.batch / each.seconds.median for each in found[name][:whole]))
        for name in (OURS, PUBLISHED)
    }
    ours, theirs = rows[OURS], rows[PUBLISHED]
    ours["× published"] = ratio(speeds[OURS], speeds[PUBLISHED])
    if theirs["peak GiB"]:
        ours["× peak"] = short(ours["peak GiB"] / theirs["peak GiB"])


def _of_ceilings(rows: list[dict[str, Any]], options: Options, device: torch.device, config: PretrainConfig) -> None:
    """FLOP/s, and how near a step comes to the time that its arithmetic, or its bytes, take at the least."""
    work = of_step(options, config.recipe, config.train.batch)
    most = ceilings(device, options.size, options.repeats)
    for row in rows:
        if "images/s" not in row:
            continue
        precision = row["what"].rpartition(", ")[2]
        seconds = config.train.batch / row["images/s"].median
        arithmetic, moving = work.floor(most.matrix[precision].median, most.copy.median, precision)
        row["TFLOP/s"] = short(work.flops / seconds / 1e12)
        row["of the matrix ceiling"] = f"{arithmetic / seconds:.1%}"
        row["of the copy ceiling"] = f"{moving / seconds:.1%}"


def _notes(device: torch.device, options: Options) -> list[str]:
    notes = [
        "A step is forward, backward, optimiser, teacher and queue on views that lie normalised on the device; "
        f"`{WHOLE}` begins with the loader's uint8 crops on the host.",
        "A step is as a training has it: deterministic, recorded as a CUDA graph where its recipe can be.",
        "FLOPs are of the convolutions and products alone, bytes what these read and write at the step's precision.",
    ]
    if device.type == "cpu":
        notes.append("Peaks on a CPU are what the first step takes above what it finds: weights do not count.")
        notes.append("On one thread seconds are of the processor, else of the clock on the wall.")
    if options.official:
        notes.append("Published and ours in turn, each built anew; the ratio is of the medians turn by turn.")
    return notes
