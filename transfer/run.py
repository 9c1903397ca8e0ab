"""One fine-tuning run: labels and weights in, metrics out. Light until it runs."""

from __future__ import annotations

import importlib
from pathlib import Path

from ground.progress import Report
from transfer import protocol
from transfer.config import TaskConfig


def run(
    config: TaskConfig, *, tool: str, seed: int, weights: Path, data: Path, out: Path, report: Report
) -> dict[str, float]:
    """Fine-tune on the task's training lists and measure the last iteration on its test list.

    The module ``transfer.<kind>.run`` does it.

    Args:
        config: the task.
        tool: one of the task's ``tools``, as `transfer.tool.choose` has it.
        seed: decides the heads' initial values, the order of images, their augmentation and every sample drawn.
        weights: the pre-trained backbone, safetensors.
        data: the folder of the data sets.
        out: receives checkpoints, ``curves/`` and the predictions. Called again on the same folder, the run goes on
            from its last checkpoint and ends in the same bits.
        report: hears of every iteration and every test image.

    Returns:
        The task's metrics, in percent.

    Raises:
        ConfigError: the processes that were started are not those that the task was planned for.
        UserError: labels, images or weights at fault, a loss that is not finite, a full disk.
    """
    protocol.check_launch(config)
    module = importlib.import_module(f"transfer.{config.kind}.run")
    metrics: dict[str, float] = module.run(
        config, tool=tool, seed=seed, weights=weights, data=data, out=out, report=report
    )
    return metrics
