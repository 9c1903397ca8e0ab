"""One fine-tuning run in detectron2: train, or go on from its last checkpoint, and detect in the test list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import inference_on_dataset
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger
from torch import nn

from ground import distributed, stopping
from ground.errors import ConfigError
from ground.files import storage_errors
from ground.progress import Report
from ground.seeding import derive_seed
from transfer import protocol
from transfer.detection.detectron2.config import detectron2_config
from transfer.detection.detectron2.data import Batches, Images, entries, test_loader
from transfer.detection.detectron2.evaluate import Collector, VocFiles, agree
from transfer.detection.detectron2.model import build
from transfer.detection.detectron2.trainer import Run, Trainer
from transfer.detection_config import DetectionTask
from transfer.device import choose_device, make_repeatable
from transfer.evaluators import voc
from transfer.evaluators.detections import Detections
from transfer.facts import Facts
from transfer.layouts.record import Labels
from transfer.layouts.voc import Labelled


def fine_tune(
    config: DetectionTask, *, seed: int, weights: Path, labels: Labels, out: Path, report: Report
) -> Detections:
    """Train on ``labels.train`` from pre-trained ``weights``, or go on from ``out/detectron2``; detect in
    ``labels.test``. In every process that the launcher's environment describes, each with its share of a batch.

    Raises:
        UserError: weights that do not fit, a broken image, a loss that is not finite, a full disk, no such device, a
            checkpoint of another run, a setting that detectron2 does not have.
    """
    device = choose_device(config)
    if config.precision == "bf16" and device.type == "cpu":
        problem = "field `precision` = bf16: detectron2 trains in mixed precision on CUDA alone"
        raise ConfigError(f"task `{config.name}`", problem, "Set `precision: fp32`, or `tool: torchvision`.")
    share = protocol.share(config, tool="detectron2", device="cuda" if device.type == "cuda" else "cpu")
    torch.set_num_threads(config.threads)
    make_repeatable(device)
    device = distributed.start(device)
    found = _in_process(config, share, device, seed=seed, weights=weights, labels=labels, out=out, report=report)
    # Not after an error: the others may wait for this process elsewhere, and it is its launcher that ends them.
    distributed.stop()
    return found


def _in_process(
    config: DetectionTask,
    share: protocol.Share,
    device: torch.device,
    *,
    seed: int,
    weights: Path,
    labels: Labels,
    out: Path,
    report: Report,
) -> Detections:
    """What one process does, once it has joined the others."""
    for name in ("detectron2", "fvcore"):
        setup_logger(distributed_rank=comm.get_rank(), color=False, name=name)
    home = out / "detectron2"
    with storage_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    batch = {"schedule": config.schedule.model_copy(update={"batch": share.batch * share.processes})}
    with registered(f"{config.sets.test} in {out}", labels.test) as name:
        met = config.model_copy(update=batch)
        classes = len(labels.classes)
        cfg = detectron2_config(met, classes=classes, norm=share.norm, device=str(device), out=home, test=name)
        tester = Tester(met, cfg, labels, name, home, report)
        torch.manual_seed(derive_seed(config.name, "init", seed))
        model = build(met, cfg, weights)
        facts = Facts(home, met, seed, weights, share)
        first = comm.get_rank() * share.batch
        run = Run(met, seed, labels.train, slice(first, first + share.batch), out, report, tester.total)
        trainer = Trainer(cfg, run, model, facts, tester)
        trainer.train()
        trainer.checkpointer.keep_last()
    return tester.found


@contextmanager
def registered(name: str, images: Images) -> Iterator[str]:
    """detectron2 knows the data set by ``name`` for the while."""
    DatasetCatalog.register(name, lambda: entries(images))
    try:
        yield name
    finally:
        DatasetCatalog.remove(name)
        MetadataCatalog.pop(name, None)


class Tester:
    """Detects in the test list with detectron2's loader and loop; measures with its evaluator where there is one."""

    found: Detections

    def __init__(
        self, config: DetectionTask, cfg: CfgNode, labels: Labels, name: str, home: Path, report: Report
    ) -> None:
        self.config, self.cfg, self.labels, self.name, self.report = config, cfg, labels, name, report
        self.trained = config.schedule.iterations + config.schedule.precise_bn_iterations
        self.total = self.trained + len(labels.test)
        self.voc = VocFiles(home / "labels", config.sets.test) if config.layout == "voc" else None
        if self.voc:  # now: what is wrong with the labels is better known before training
            self.voc.write(cast("Sequence[Labelled]", labels.test))

    def __call__(self, model: nn.Module) -> dict[str, Any]:
        """Detect; detectron2's metrics, none where the task is measured by COCO's rules.

        Raises:
            RuntimeError: detectron2's metrics are not ours.
        """
        collector = Collector()
        own = [self.voc.evaluator(self.name)] if self.voc else []
        loader = Batches(test_loader(self.cfg, self.name), lambda done, _: self._tell(done))
        results: dict[str, Any] = inference_on_dataset(model, loader, [*own, collector])
        self.found = collector.detections()
        self.report(self.total, self.total)
        if self.voc and comm.is_main_process():
            agree(results["bbox"], voc.measure(self.config, self.labels, self.found))
            self.voc.remove()
        return results

    def _tell(self, done: int) -> None:
        """That so many images are tested; nothing of a test is kept, so here it may stop."""
        self.report(self.trained + done, self.total)
        stopping.check()
