"""The house rules of docs/architecture.md."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("ground", "slurm", "pretrain", "transfer", "results", "harness")


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_point_down_only(room):
    allowed = set(ROOMS) if room == "harness" else {room, "ground"}
    wrong = []
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            wrong += [f"{path.name}: {name}" for name in names if name.split(".")[0] in set(ROOMS) - allowed]
    assert wrong == []


LIGHT = [
    "ground.config", "ground.catalog", "ground.files", "ground.seeding",
    "pretrain.config", "pretrain.branch_config", "pretrain.view_config", "pretrain.cost", "pretrain.inputs",
    "pretrain.traffic", "pretrain.recipes", "pretrain.data",
    "transfer.config", "transfer.detection_config", "transfer.segmentation_config", "transfer.tasks", "transfer.data",
    "transfer.tool", "transfer.run", "transfer.protocol",
    "transfer.audit.findings", "transfer.audit.official",
    "transfer.layouts.ade20k", "transfer.layouts.cityscapes", "transfer.layouts.coco", "transfer.layouts.voc",
    "transfer.layouts.voc_maps",
    "results.layout", "results.published",
    "slurm.executor", "slurm.cluster", "slurm.requests", "slurm.submit", "slurm.queue", "slurm.entry",
    "harness.cli", "benchmarks.base", "benchmarks.registry", "benchmarks.report", "benchmarks.command",
]  # fmt: skip


def test_light_modules_import_nothing_heavy():
    code = f"import sys, importlib; [importlib.import_module(m) for m in {LIGHT}]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"torch", "torchvision", "pandas", "numpy", "scipy", "matplotlib", "detectron2"} & set(loaded) == set()
