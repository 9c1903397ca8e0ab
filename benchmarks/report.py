"""What was measured, with the machine it was measured on: as JSON for programs, as Markdown for people."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.base import Options, Section, Spread, short
from ground.files import write_json, write_text
from harness import provenance

SCHEMA = 1


@dataclass(frozen=True)
class Failure:
    """A benchmark that did not come to its end."""

    name: str
    reason: str


def machine(device: str) -> dict[str, Any]:
    """Host, device, driver, versions, revision and time. Imports torch only if the device is asked for."""
    said = provenance.host()
    return {
        "cpu": said["cpu"], "cores": said["cores"], "system": said["system"], **_gpu(device),
        "versions": provenance.versions(), "code": provenance.code(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip


def _gpu(device: str) -> dict[str, Any]:
    """The GPU, if there is one and it may be used."""
    if device == "cpu":
        return {"gpu": None}
    import torch

    if not torch.cuda.is_available():
        return {"gpu": None}
    found = torch.cuda.get_device_properties(0)
    driver = _driver()
    return {
        "gpu": found.name, "gpu GiB": round(found.total_memory / 2**30, 1), "driver": driver,
        "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
    }  # fmt: skip


def _driver() -> str | None:
    """Version of NVIDIA's kernel module, where it is told."""
    try:
        said = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return None
    found = re.search(r"\b\d+\.\d+(\.\d+)?\b", said)
    return found[0] if found else None


def label(where: dict[str, Any]) -> str:
    """A machine's name for a file: of what did the arithmetic."""
    return re.sub(r"[^a-z0-9]+", "-", str(where["gpu"] or where["cpu"]).lower()).strip("-") or "machine"


def place(folder: Path, where: dict[str, Any], options: Options) -> Path:
    """Where a measurement goes, without a suffix: ``bench-<machine>`` and, at toy size, ``-toy``; with a number where
    there is one already, for what was measured is not to be had again."""
    name = f"bench-{label(where)}" + ("-toy" if options.size == "toy" else "")
    candidates = (folder / (name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(path for path in candidates if not path.with_suffix(".json").exists())


def write(
    path: Path, where: dict[str, Any], options: Options, sections: Sequence[Section], failures: Sequence[Failure]
) -> tuple[Path, Path]:
    """All that was measured, in ``path``'s ``.json`` and the same as ``.md``; their paths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data, text = path.with_suffix(".json"), path.with_suffix(".md")
    asked = asdict(replace(options, begun=[])) | {
        name: getattr(options, name) is not None for name in ("official", "images")
    }
    del asked["begun"]
    write_json(data, {
        "schema": SCHEMA, "machine": where, "options": asked,
        "sections": [_plain(section) for section in sections], "failures": [asdict(failure) for failure in failures],
    })  # fmt: skip
    write_text(text, markdown(where, options, sections, failures))
    return data, text


def _plain(section: Section) -> dict[str, Any]:
    rows = [{name: _number(value) for name, value in row.items()} for row in section.rows]
    return {**asdict(section), "rows": rows}


def _number(value: Any) -> Any:
    return {"median": value.median, "values": list(value.values)} if isinstance(value, Spread) else value


def markdown(where: dict[str, Any], options: Options, sections: Sequence[Section], failures: Sequence[Failure]) -> str:
    """Machine first, a table for each benchmark, what failed last."""
    lines = ["# Benchmarks", "", *_machine_lines(where), ""]
    if options.size == "toy":
        lines += ["Toy size: these numbers show that it runs and nothing else.", ""]
    lines += ["Medians, and in brackets the smallest and the largest of the repetitions.", ""]
    for section in sections:
        lines += [f"## {section.title}", "", *table(section), "", *(f"- {note}" for note in section.notes), ""]
    lines += [f"Failed: `{failure.name}`: {failure.reason}" for failure in failures]
    return "\n".join(lines).rstrip() + "\n"


def _machine_lines(where: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    gpu = f"{where['gpu']}, {where['gpu GiB']} GiB, driver {where['driver']}" if where["gpu"] else "no GPU"
    code = where["code"]
    revision = f"{code['revision'][:10]}{', changed since' if code['dirty'] else ''}" if code else "not known"
    return [f"{where['cpu']}, {where['cores']} cores; {gpu}; {versions}; revision {revision}; {where['time']}."]


def table(section: Section) -> list[str]:
    """A section's rows as a Markdown table; columns that no row has are left out."""
    columns = [name for name in section.columns if any(name in row for row in section.rows)]
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(name, "")) for name in columns] for row in section.rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(value: Any) -> str:
    text = short(value) if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")
