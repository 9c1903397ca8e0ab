"""A cell and what stands behind it, in words: one fact a line, what runs have in common once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.builder import NOT_YET
from harness.estimate import duration
from harness.store import BACKBONE
from harness.trace import Step

if TYPE_CHECKING:
    from results.layout import Column
    from results.table import Cell

DIGITS = 12
"""Of a hash that is printed for the eye; the weights' is printed whole."""
FACTS = ("tool", "device", "host", "versions", "code")


def cell(of: Cell, column: Column, decimals: int, heading: Mapping[str, Any]) -> list[str]:
    """The number, the published one, and what the table says of itself."""
    from results.render.grid import ours, published

    beside = f"; published {published(of, decimals)}" if of.published else ""
    return [
        f"{heading['cell']}: {ours(of, decimals)}{beside}",
        f"{column.metric} of {column.task}; profile: {heading['profile']}; data: {heading['data']}",
        *heading["judgement"],
        *heading["remarks"],
        "",
    ]


def runs(steps: Sequence[Step], metric: str, decimals: int) -> list[str]:
    """A line for each run, then what they have in common."""
    weights = {step.job.parents["weights"].stem for step in steps}
    rows = [("run", metric, "seed", "took", "key", "folder (log.txt, curves/, record.json)")]
    for step in steps:
        value = (step.look.record or {}).get("metrics", {}).get(metric)
        number = f"{value:.{decimals}f}" if step.done and value is not None else step.look.state
        took = duration(step.look.seconds) if step.done else ""
        whose = f" of {step.job.parents['weights'].stem}" if len(weights) > 1 else ""
        rows.append(
            (f"{step.job.run}{whose}", number, str(step.job.seed), took, step.job.key[:DIGITS], str(step.directory))
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"failed: run {step.job.run}: {step.look.reason}" for step in steps if step.look.state == "failed"]
    first = steps[0].job
    lines += [_line("settings", f"task {first.task}, version {first.version} (`config` in job.json; --settings)")]
    lines += [_line("data", words) for words in dict.fromkeys(_data(step) for step in steps)]
    for name in FACTS:
        values: dict[str, list[str]] = {}
        for step in (step for step in steps if step.done):
            values.setdefault(_fact(step, name), []).append(str(step.job.run))
        for words, numbers in values.items():
            whose = f" (run {', '.join(numbers)})" if len(values) > 1 else ""
            lines += [_line(name, words + whose)] if words else []
    return lines


def behind(step: Step) -> list[str]:
    """A run that others rest on."""
    job, record = step.job, step.look.record or {}
    lines = [f"{job.title}: {step.look.state}", _line("folder", str(step.directory))]
    if step.done:
        hashes: dict[str, str] = record["outputs"]
        told = {name: sha for name, sha in hashes.items() if name == BACKBONE} or hashes
        lines += [_line("weights" if BACKBONE in told else "output", f"{name}, sha256 {told[name]}") for name in told]
        if record["metrics"]:
            lines.append(
                _line("metrics", ", ".join(f"{name} {value:.4g}" for name, value in record["metrics"].items()))
            )
        waited = record["timings"].get("waited")
        words = duration(step.look.seconds) + (
            "" if waited is None else f", {duration(waited)} of it waiting for images"
        )
        lines.append(_line("took", f"{words}; seed {job.seed}; key {job.key[:DIGITS]}"))
    elif step.look.state == "failed":
        lines.append(_line("failed", step.look.reason))
    source = f"{job.subject}, version {job.version} (`config` in job.json; --settings)"
    lines += [_line("settings", source), _line("data", _data(step))]
    lines += [_line(name, words) for name in FACTS if (words := _fact(step, name))]
    curve = step.directory / "curves"
    places = [_exists("log", step.directory / "log.txt"), _exists("curve", curve)]
    return lines + [_line(name, path) for name, path in places if path]


def _exists(name: str, path: Path) -> tuple[str, str]:
    return name, str(path) if path.exists() else ""


def settings(steps: Sequence[Step]) -> list[str]:
    """The resolved settings of each, as YAML."""
    lines = []
    for step in steps:
        lines += ["", f"settings of {step.job.task or step.job.title}"]
        text = yaml.safe_dump(step.job.config, sort_keys=False, width=120)
        lines += [f"  {line}" for line in text.splitlines()]
    return lines


def verified(steps: Sequence[Step]) -> str:
    """How much was read and found to be as recorded."""
    records = [step.look.record or {} for step in steps]
    files = sum(len(record.get("outputs", {})) for record in records)
    words = f"verified: {len(steps)} runs, {files} files, their settings, parents and data are as recorded"
    unsigned = sum("digest" not in record for record in records)
    return words + (
        f"; of {unsigned} runs the numbers are not checked: their records have no digest" if unsigned else ""
    )


def _line(name: str, words: str) -> str:
    return f"  {name:<9} {words}"


def _data(step: Step) -> str:
    data = step.job.data
    where = data.get("root") or ", ".join(data.get("folders", ()))
    if not where:
        return "no image is read"
    mark = data["fingerprint"]
    return f"{data['name']}, {mark if mark == NOT_YET else f'fingerprint {mark[:DIGITS]}'}, in {where}"


def _code(value: Mapping[str, Any]) -> str:
    """Which code ran."""
    said = [f"revision {value['revision'][:DIGITS]}" if value["revision"] else "of no repository"]
    if value["dirty"]:
        difference = f" ({value['diff_sha256'][:DIGITS]})" if value.get("diff_sha256") else ""
        said.append(f"with uncommitted changes{difference}")
    if value.get("snapshot"):
        said.append(f"as it was at submission, in .code/{value['snapshot']}")
    return ", ".join(said)


def _fact(step: Step, name: str) -> str:
    """What a record says of where its numbers came from, in a line; empty if nothing."""
    value = (step.look.record or {}).get(name)
    if not value:
        return ""
    if name == "host":
        within = f", job {value['slurm']} of Slurm on {value.get('nodes')}" if value.get("slurm") else ""
        return f"{value.get('name')}, {value.get('cpu')}, {value.get('cores')} cores, {value.get('system')}{within}"
    if name == "versions":
        return ", ".join(f"{package} {version}" for package, version in value.items())
    if name == "code":
        return _code(value)
    return str(value)
