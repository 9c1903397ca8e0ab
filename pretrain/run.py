"""The pre-training job: a recipe, a seed and images in, a backbone out."""

from __future__ import annotations

from pathlib import Path

import torch

from ground import distributed
from ground.errors import ConfigError, DataError
from ground.progress import Report, silent
from ground.seeding import derive_seed
from pretrain import device as devices
from pretrain.branch_config import PixelContrast, SemanticGrouping
from pretrain.config import PretrainConfig
from pretrain.data import check, images
from pretrain.model.student_teacher import StudentTeacher
from pretrain.training.export import NETWORK, export_backbone, export_network
from pretrain.training.loop import Trainer, exported, train
from pretrain.views import loading
from pretrain.views.registry import build_layout

BACKBONE = "backbone.safetensors"


def run(
    config: PretrainConfig,
    *,
    seed: int,
    folders: list[Path],
    out: Path,
    report: Report = silent,
    inputs: dict[str, Path] | None = None,
    cache: Path | None = None,
) -> dict[str, float]:
    """Pre-train and write ``out/backbone.safetensors`` and, where a branch has one projector, ``network.safetensors``.

    Called again on the same ``out`` it goes on where it stopped.

    Args:
        config: the resolved recipe.
        seed: decides the initial weights, the order of the images and every view.
        folders: image folders; their images are listed sorted, folder by folder.
        out: the run's folder: ``checkpoint.pt``, ``curves/`` (TensorBoard), ``snapshots/``.
        report: told of every step.
        inputs: run directories of the jobs that the recipe rests on, by role.
        cache: where decoded images are kept if ``train.cache`` is ``store``.

    Returns:
        The last step's loss by branch and the spread of its features (1 isotropic, 0 collapsed).

    Raises:
        UserError: settings this machine cannot meet, unreadable images, a loss that is not finite.
    """
    device = choose_device(config)
    torch.set_num_threads(config.train.threads)
    devices.be_reproducible(device)
    device = distributed.start(device)
    _check_processes(config)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(derive_seed("init", seed))
    layout = build_layout(config.views, inputs or {})
    trainer = Trainer(config, StudentTeacher(config.model), layout, device, seed)
    metrics: dict[str, float] = {}
    if not config.initial:
        check(folders)
        listed = [image for folder in folders for image in images(folder)]
        if len(listed) < config.train.batch:
            raise DataError(
                folders[0],
                f"{len(listed)} images are fewer than one batch of {config.train.batch}",
                "Add images or lower train.batch.",
            )
        if layout.images not in (None, len(listed)):
            problem = f"{len(listed)} images, and regions were found in {layout.images}"
            raise DataError(folders[0], problem, "Run again: they are looked for anew.")
        metrics = train(trainer, listed, loading.pixels(config, listed, folders, cache, report), out, report)
    if distributed.rank() == 0:
        export_backbone(out / BACKBONE, exported(trainer))
        export_network(out / NETWORK, trainer.model, config.model)
    del trainer
    distributed.stop()
    return metrics


def choose_device(config: PretrainConfig) -> torch.device:
    """The device asked for, or a GPU if there is one.

    Raises:
        ConfigError: CUDA was asked for and is absent, or fp16 was asked for on a CPU.
    """
    device = devices.choose(config.train.device, "train.device")
    if device.type == "cpu" and config.train.precision == "fp16" and not config.initial:
        raise ConfigError("train.precision", "fp16 needs a GPU", "Set train.precision to fp32 or bf16.")
    return device


def _check_processes(config: PretrainConfig) -> None:
    """The protocol can be met by this many processes."""
    share, rest = divmod(config.train.batch // config.train.accumulate, distributed.world())
    if rest or not share:
        parts = f"{config.train.batch} images in {config.train.accumulate} parts"
        problem = f"{parts} do not divide by {distributed.world()} processes"
        raise ConfigError("train.batch", problem, "Change the batch, train.accumulate or the number of GPUs.")
    if config.model.norm.kind == "shuffle" and share % config.model.norm.group:
        problem = f"batch-norm groups of {config.model.norm.group} images do not fit {share} images a process"
        raise ConfigError("model.norm.group", problem, "Use fewer GPUs.")
    for name, branch in config.model.branches.items():
        if isinstance(branch, PixelContrast | SemanticGrouping) and share % branch.group and branch.group % share:
            problem = f"groups of {branch.group} images do not fit {share} images a process"
            raise ConfigError(f"model.branches.{name}.group", problem, "Change the batch or the number of GPUs.")
