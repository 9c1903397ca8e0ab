"""What a record says of where its numbers came from."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from ground import catalog
from harness import allocation

PACKAGES = (
    "dense-ssl-bench", "torch", "torchvision", "numpy", "pillow", "pycocotools", "safetensors", "detectron2",
    "mmengine", "mmcv-lite", "mmsegmentation", "opencv-contrib-python-headless", "submitit",
    "nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "nvidia-nccl-cu12", "nvidia-nccl-cu13",
)  # fmt: skip
ROOMS = ("ground", "slurm", "pretrain", "transfer", "results", "harness", "benchmarks")
"""Folders that hold our code."""
ABOUT = "taken.json"
"""In a snapshot of the code: which revision it is of."""


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a result, those included whose recipes, tasks or tables are
    found by entry points; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    points = (point for kind in catalog.KINDS for point in entry_points(group=f"harness.{kind}"))
    return found | {point.dist.name: point.dist.version for point in points if point.dist}


def code(source: Path = Path(__file__)) -> dict[str, str | bool]:
    """Revision of ``source``'s repository, whether it was changed since, and the SHA-256 of all that differs, new files
    of the rooms included; empty when it is in none. Of a snapshot: what held when it was taken, and its name."""
    here = source.parent
    if (about := here.parent / ABOUT).is_file():
        told: dict[str, str | bool] = json.loads(about.read_text(encoding="utf-8"))
        return {"snapshot": told.pop("hash"), **told}
    if not _git(here, "ls-files", source.name):
        return {}
    found: dict[str, str | bool] = {
        "revision": _git(here, "rev-parse", "HEAD"), "dirty": bool(_git(here, "status", "--porcelain", "-uno"))
    }  # fmt: skip
    difference = _difference(Path(_git(here, "rev-parse", "--show-toplevel")))
    return found | ({"diff_sha256": difference} if difference else {})


def _difference(top: Path) -> str:
    """SHA-256 (hex) of what git would show as changed since the revision, and of new files in the rooms; empty if there
    is nothing of the kind."""
    changed = _git(top, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv")
    new = _git(top, "ls-files", "--others", "--exclude-standard", "--", *(f"{room}/" for room in ROOMS))
    if not changed and not new:
        return ""
    whole = hashlib.sha256(changed.encode(errors="surrogateescape"))
    for name in new.splitlines():
        path = top / name
        whole.update(f"{name}\0".encode() + (path.read_bytes() if path.is_file() else b""))
    return whole.hexdigest()


def changed(revision: str, folders: tuple[str, ...], source: Path = Path(__file__)) -> int | None:
    """How many Python files below ``folders`` are not as in ``revision``; None where git cannot tell."""
    root = source.parent.parent
    if _git(root, "cat-file", "-t", revision) != "commit":
        return None
    return len(_git(root, "diff", "--name-only", revision, "--", *(f"{each}/*.py" for each in folders)).splitlines())


def _git(folder: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "-c", "core.quotePath=off", *arguments], capture_output=True, timeout=30,
            encoding="utf-8", errors="surrogateescape",
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


def signed(record: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of all that a record says but its own ``digest``: one that was edited since has another."""
    plain = json.loads(json.dumps({name: value for name, value in record.items() if name != "digest"}))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def host() -> dict[str, Any]:
    """The machine; under Slurm also the node's name there, the job's id and all its nodes."""
    found = {"name": socket.gethostname(), "system": platform.platform(), "cpu": _cpu(), "cores": os.cpu_count() or 0}
    place = allocation.here()
    if place is None:
        return found
    return found | {"node": place.node, "slurm": place.id, "restart": place.restart, "nodes": place.nodes}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def device(threads: int) -> str:
    """What did the arithmetic: the GPU if the job has used one, otherwise the CPU and its threads."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    return f"cpu, {threads} thread{'s' if threads > 1 else ''}"
