"""From a pre-trained backbone to detections: build, train, test.

On the CPU the same run ends in the same bits. On CUDA that is best effort: cuDNN and cuBLAS are held to repeatable
algorithms, but the backward pass of RoIAlign (and of a few smaller operations) adds in whatever order its threads
finish, so that two runs part in their last bits and, over thousands of steps, in their metrics. torch's deterministic
mode is no way out: torchvision then evaluates RoIAlign at every pixel of the map for every bin (``ops/roi_align.py``;
pytorch/vision issue 8168 tells of the memory), 7e12 samples for one batch of this protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from ground import stopping
from ground.progress import Report
from ground.seeding import derive_seed
from transfer.detection import torchvision
from transfer.detection.detector import Detector
from transfer.detection.masks import pasted
from transfer.detection.samples import resized
from transfer.detection.training import Trainer
from transfer.detection_config import DetectionTask
from transfer.device import choose_device, make_repeatable
from transfer.evaluators.detections import Detections, RunLengths
from transfer.layouts.record import Labels, Photograph


def fine_tune(
    config: DetectionTask,
    *,
    seed: int,
    weights: Path,
    labels: Labels,
    out: Path,
    report: Report,
) -> Detections:
    """Train on ``labels.train`` from pre-trained ``weights``, or go on from ``out/checkpoint.pt``; detect in
    ``labels.test``.

    Raises:
        UserError: weights that do not fit, a broken image, a loss that is not finite, a full disk, no such device.
    """
    device = choose_device(config)
    torch.set_num_threads(config.threads)
    make_repeatable(device)
    torch.manual_seed(derive_seed(config.name, "init", seed))
    model = torchvision.build(config, weights, len(labels.classes))
    trained = config.schedule.iterations + config.schedule.precise_bn_iterations
    total = trained + len(labels.test)
    Trainer(config, model.to(device), seed, weights, device, out, report, total).fit(labels.train)
    return detect(config, model, device, labels.test, lambda image: report(trained + image, total))


@torch.no_grad()
def detect(
    config: DetectionTask,
    model: Detector,
    device: torch.device,
    test: Sequence[Photograph],
    tested: Callable[[int], None],
) -> Detections:
    """The detections in ``test``, one image at a time, in pixels of the photographs; ``tested`` hears the count.

    Boxes are clipped to the photograph, and dropped if that leaves nothing of them (detectron2
    ``detector_postprocess``); masks are pasted into the clipped boxes.
    """
    model.eval()
    places, labels, scores, boxes = [], [], [], []
    masks: list[RunLengths] = []
    for place, labelled in enumerate(test):
        image = resized(labelled, config.input.test_short, config.input.test_max)
        found = model.detect([image.to(device)])[0]
        scale = torch.tensor([labelled.width / image.shape[2], labelled.height / image.shape[1]] * 2)
        limits = torch.tensor([labelled.width, labelled.height] * 2, dtype=torch.float32)
        clipped = (found["boxes"].cpu() * scale).clamp(min=0).minimum(limits)
        kept = (clipped[:, 2:] > clipped[:, :2]).all(dim=1)
        places.append(np.full(int(kept.sum()), place))
        labels.append((found["labels"].cpu()[kept] - 1).numpy())
        scores.append(found["scores"].cpu()[kept].numpy())
        boxes.append(clipped[kept].numpy())
        if "masks" in found:
            masks += pasted(found["masks"].cpu()[kept], clipped[kept], labelled.height, labelled.width)
        tested(place + 1)
        stopping.check()
    return Detections(
        np.concatenate(places), np.concatenate(labels), np.concatenate(scores), np.concatenate(boxes), tuple(masks)
    )
