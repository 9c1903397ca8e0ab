"""Which library fine-tunes and tests. Light: finds packages without importing them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

from ground.errors import ConfigError
from transfer.config import TaskConfig

_REMEDIES = {
    "detectron2": "Put a clone of facebookresearch/detectron2 on PYTHONPATH, or set `tool: auto`.",
    "mmsegmentation": "Run `make` again: it installs mmsegmentation, mmengine and mmcv-lite.",
}
_MODULES = {"mmsegmentation": "mmseg"}
"""Names to import by, where they are not the tool's."""
_NEEDS = {
    "detectron2": {
        "fvcore": "fvcore",
        "iopath": "iopath",
        "omegaconf": "omegaconf",
        "hydra": "hydra-core",
        "yacs": "yacs",
        "cloudpickle": "cloudpickle",
        "tqdm": "tqdm",
    }
}
"""What a clone on PYTHONPATH does not bring: names to import and to install by."""


def choose(config: TaskConfig) -> str:
    """The tool asked for, or the first of the task's own that is importable.

    Raises:
        ConfigError: it cannot run this task, or is not there, or lacks what it needs.
    """
    found = _found(config)
    missing = [package for module, package in _NEEDS.get(found, {}).items() if find_spec(module) is None]
    if missing:
        problem = f"tool `{found}` is there, and {', '.join(missing)} that it needs is not"
        others = [name for name in config.tools if name != found]
        remedy = f"pip install {' '.join(missing)}{f', or set `tool: {others[0]}`' if others else ''}."
        raise ConfigError(f"task `{config.name}`", problem, remedy)
    return found


def _found(config: TaskConfig) -> str:
    where = f"task `{config.name}`"
    if config.tool == "auto":
        found = next((name for name in config.tools if _importable(name)), None)
        if found is None:
            raise ConfigError(
                where, f"needs {' or '.join(config.tools)}", _REMEDIES.get(config.tools[-1], "Install it.")
            )
        return found
    if config.tool not in config.tools:
        problem = f"tool `{config.tool}` cannot run it at these settings"
        raise ConfigError(where, problem, f"Set `tool: {config.tools[-1]}`, or `model.backbone: resnet50`.")
    if not _importable(config.tool):
        raise ConfigError(where, f"tool `{config.tool}` is not importable", _REMEDIES.get(config.tool, "Install it."))
    return config.tool


def _importable(name: str) -> bool:
    return find_spec(_MODULES.get(name, name)) is not None


def version(tool: str) -> str:
    """``"torchvision 0.26.0"``. detectron2 usually is a clone on PYTHONPATH: its version is read from its source."""
    try:
        return f"{tool} {installed_version(tool)}"
    except PackageNotFoundError:
        spec = find_spec(tool)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        found = re.search(r"""__version__ = ["'](.+?)["']""", source)
        return f"{tool} {found[1] if found else '(version unknown)'}"
