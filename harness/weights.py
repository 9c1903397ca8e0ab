"""``harness weights``: look into a weights file, make it one of ours, write it for others."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.errors import ConfigError

if TYPE_CHECKING:
    from transfer.weights import Imported


def inspect(options: Namespace) -> int:
    """Say what a file holds and whether it would be taken; 2 if not."""
    from transfer.weights.importing import find
    from transfer.weights.inspecting import describe

    found = find(Path(options.file), format=options.format, prefix=options.prefix, bgr=options.bgr)
    told = describe(found, options.untrained)
    print(json.dumps(told, indent=1) if options.json else _table(told))
    return 2 if told["refused"] else 0


def import_(options: Namespace) -> int:
    """Write a file's backbone as one of ours."""
    from transfer.weights import write

    out = _free(options.out, options.force)
    if out.suffix != ".safetensors":
        raise ConfigError(out, "is no name for a safetensors file", "Let it end in .safetensors.")
    backbone = _imported(options)
    write(backbone, out)
    print(f"{out}: {_summary(backbone)}")
    return 0


def export(options: Namespace) -> int:
    """Write a backbone as somebody else's tool reads it."""
    from transfer.weights import exporting

    out = _free(options.out, options.force)
    exporting.layout(options.to, out)  # refused before the file is read
    backbone = _imported(options)
    exporting.export(backbone, out, options.to)
    print(f"{out}: {_summary(backbone)}\nload it there: {exporting.loading(options.to, backbone.network)}")
    return 0


def _imported(options: Namespace) -> Imported:
    from transfer.weights import imported

    return imported(
        Path(options.file),
        format=options.format,
        prefix=options.prefix,
        untrained=options.untrained,
        bgr=options.bgr,
    )


def _free(name: str, force: bool) -> Path:
    """A path that may be written.

    Raises:
        ConfigError: there is a file, and ``--force`` was not given.
    """
    out = Path(name)
    if out.is_dir():
        raise ConfigError(out, "is a folder", "Name a file.")
    if out.exists() and not force:
        raise ConfigError(out, "exists", "Name another file, or write over it with --force.")
    return out


def _summary(backbone: Imported) -> str:
    below = f" below `{backbone.prefix}`" if backbone.prefix else ""
    lines = [f"{backbone.network}, {len(backbone.tensors)} tensors{below} of {backbone.source} ({backbone.format})"]
    if backbone.left_over:
        lines.append(f"not taken: {_groups(backbone.left_over)}")
    return "\n".join([*lines, *(f"note: {note}" for note in backbone.notes)])


def _table(told: dict[str, Any]) -> str:
    norms = told["norms"]
    spread = ""
    if "variance" in norms:
        low, high = norms["variance"]
        spread = f"; means up to {norms['largest_mean']:.3g}, variances {low:.3g} to {high:.3g}"
    below = f"below `{told['prefix']}`" if told["prefix"] else "without prefix"
    lines = [
        ("file", f"{told['file']} ({told['kind']}, {told['bytes'] / 1e6:,.1f} MB)"),
        ("sha256", told["sha256"]),
        ("format", f"{told['format']}: {told['title']}"),
        ("backbone", f"{told['tensors']} tensors {below}, {told['naming']}'s names"),
        ("", f"{told['values']:,} values, {', '.join(told['types'])}, sha256 {told['tensors_sha256']}"),
        ("norms", f"{norms['total']}, {norms['initial']} at their initial statistics{spread}"),
        ("not taken", _groups(told["left_over"]) or "nothing"),
        ("not loaded", ", ".join(told["not_loaded"])),
        *(("note", note) for note in told["notes"]),
        *(("header", f"{name}: {value}") for name, value in told["header"].items()),
        ("gate", f"refused: {told['refused']}" if told["refused"] else f"passes as {told['network']}"),
    ]
    return "\n".join(f"{name:10} {text}" for name, text in lines if text)


def _groups(left_over: dict[str, int]) -> str:
    """Names of what was not taken; the number of tensors in each that has some."""
    return ", ".join(f"{name} ({number})" if number else name for name, number in left_over.items())
