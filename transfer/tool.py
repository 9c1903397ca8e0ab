"""Which library trains and tests a detector. Light: finds packages without importing them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

from ground.errors import ConfigError
from transfer.config import TaskConfig


def choose(config: TaskConfig) -> str:
    """``"detectron2"`` where it is importable and can meet the protocol, else ``"torchvision"``.

    detectron2 builds stage 4 of bottleneck blocks only (``Res5ROIHeads._build_res5_block``), so smaller
    backbones always run through torchvision.

    Raises:
        ConfigError: ``tool: detectron2`` is asked for and cannot be had.
    """
    bottlenecks = config.model.backbone == "resnet50"
    if config.tool == "detectron2" and not bottlenecks:
        problem = f"tool `detectron2` cannot transfer all of {config.model.backbone}"
        raise ConfigError(f"task `{config.name}`", problem, "Set `model.backbone: resnet50` or `tool: torchvision`.")
    if config.tool == "detectron2" and find_spec("detectron2") is None:
        remedy = "Put a clone of facebookresearch/detectron2 on PYTHONPATH, or set `tool: auto`."
        raise ConfigError(f"task `{config.name}`", "tool `detectron2` is not importable", remedy)
    if config.tool == "auto":
        return "detectron2" if bottlenecks and find_spec("detectron2") else "torchvision"
    return config.tool


def version(tool: str) -> str:
    """``"torchvision 0.26.0"``. detectron2 usually is a clone on PYTHONPATH: its version is read from its source."""
    try:
        return f"{tool} {installed_version(tool)}"
    except PackageNotFoundError:
        spec = find_spec(tool)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        found = re.search(r"""__version__ = ["'](.+?)["']""", source)
        return f"{tool} {found[1] if found else '(version unknown)'}"
