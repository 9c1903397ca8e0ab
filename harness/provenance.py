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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "dense-ssl-bench", "torch", "torchvision", "numpy", "pillow", "pycocotools", "safetensors", "detectron2",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a result; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code(source: Path = Path(__file__)) -> dict[str, str | bool]:
    """Revision of ``source``'s repository and whether it was changed since; empty when it is in none."""
    here = source.parent
    if not _git(here, "ls-files", source.name):
        return {}
    return {"revision": _git(here, "rev-parse", "HEAD"), "dirty": bool(_git(here, "status", "--porcelain", "-uno"))}


def changed(revision: str, folders: tuple[str, ...], source: Path = Path(__file__)) -> int | None:
    """How many Python files below ``folders`` are not as in ``revision``; None where git cannot tell."""
    root = source.parent.parent
    if _git(root, "cat-file", "-t", revision) != "commit":
        return None
    return len(_git(root, "diff", "--name-only", revision, "--", *(f"{each}/*.py" for each in folders)).splitlines())


def _git(folder: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


def signed(record: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of all that a record says but its own ``digest``: one that was edited since has another."""
    plain = json.loads(json.dumps({name: value for name, value in record.items() if name != "digest"}))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def host() -> dict[str, str | int]:
    """The machine."""
    return {"name": socket.gethostname(), "system": platform.platform(), "cpu": _cpu(), "cores": os.cpu_count() or 0}


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
