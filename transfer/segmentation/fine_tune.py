"""From a pre-trained backbone to the IoU of every class: mmengine's runner trains and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ground import backbones, distributed
from ground.progress import Report
from transfer import protocol
from transfer.device import choose_device, make_repeatable
from transfer.facts import Facts
from transfer.segmentation import stub
from transfer.segmentation_config import SegmentationTask
from transfer.weights import load_backbone

stub.install()
# mmsegmentation registers its classes, and ours, when they are imported.
from transfer.segmentation import backbone, metric, reading, sampler  # noqa: E402, F401
from transfer.segmentation.config import settings  # noqa: E402
from transfer.segmentation.hooks import Guard, Leave, Own, Tell  # noqa: E402
from transfer.segmentation.isolation import isolated  # noqa: E402
from transfer.segmentation.runner import TaskRunner  # noqa: E402


def fine_tune(
    config: SegmentationTask,
    *,
    tool: str,
    seed: int,
    weights: Path,
    data: Path,
    out: Path,
    report: Report,
) -> dict[str, Any]:
    """Train from pre-trained ``weights``, or go on from ``out/checkpoint.pt``; measure on the test set's images.

    On the CPU the same run ends in the same bits. On CUDA that is best effort: cuDNN and cuBLAS are held to repeatable
    algorithms, but the backward passes of resizing and of the loss add in whatever order their threads finish.

    Returns:
        What `metric.MeanIoU` does.

    Raises:
        UserError: weights that do not fit, a broken image, a loss that is not finite, a full disk, no such device.
    """
    device = choose_device(config)
    torch.set_num_threads(config.threads)
    make_repeatable(device)
    share = protocol.share(config, tool=tool, device="cuda" if device.type == "cuda" else "cpu")
    place = distributed.start(device)
    tell = Tell(report, out / "curves", config.schedule.iterations)
    try:
        with isolated():
            load_backbone(backbones.build(config.model.backbone), weights)  # refuse it before anything costs time
            run = Facts(out / "checkpoint.pt", config, seed, weights, share)
            runner = TaskRunner.from_cfg(
                settings(
                    config, share=share, device=str(place), rank=distributed.rank(), seed=seed, weights=weights,
                    data=data, out=out,
                )
            )  # fmt: skip
            tell.tests = len(runner.test_dataloader.dataset)
            for hook in (Guard(config.name, seed), Own(run), tell, Leave()):
                runner.register_hook(hook)
            runner.train()
            found: dict[str, Any] = runner.test()
            del runner
    finally:
        tell.close()
    distributed.stop()
    return found
