"""A task as mmengine's config: what mmsegmentation builds and runs. Every number comes from the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from ground import backbones
from ground.seeding import derive_seed
from transfer.protocol import Share
from transfer.segmentation_config import Head, PolyDecay, SegmentationTask

Settings = dict[str, Any]
Axes = tuple[str, int]
"""The task's name and the run's seed."""


def settings(
    config: SegmentationTask, *, share: Share, device: str, rank: int, seed: int, weights: Path, data: Path, out: Path
) -> Config:
    """mmengine's config of one run.

    Args:
        config: the task.
        share: what this process does of it.
        device: of this process.
        rank: of this process.
        seed: of the run.
        weights: the pre-trained backbone.
        data: the folder of the data sets.
        out: the run's; mmengine writes its log and this config below it.
    """
    axes = (config.name, seed)
    reading = {"num_workers": config.workers, "collate_fn": {"type": "collate_or_fault"}}
    iterations, checkpoint = config.schedule.iterations, out / "checkpoint.pt"
    return Config(
        {
            "default_scope": "mmseg",
            "work_dir": str(out / "mmsegmentation"),
            "experiment_name": f"{config.name}-{seed}",
            "randomness": {"seed": derive_seed(config.name, "init", seed) % 2**32},
            "model": _model(config, share, weights),
            "train_dataloader": {**_training(config, share, rank, data, axes), **reading},
            "test_dataloader": {**_testing(config, data, axes), **reading},
            "test_evaluator": {"type": "MeanIoU", "collect_device": "gpu"},
            "train_cfg": {"type": "PlacedTrainLoop", "max_iters": iterations, "val_interval": iterations + 1},
            "test_cfg": {"type": "TestLoop"},
            "optim_wrapper": _optimiser(config),
            "param_scheduler": [_decay(config)],
            "default_hooks": _hooks(config),
            "log_processor": {"by_epoch": False},
            "launcher": "pytorch" if share.processes > 1 else "none",
            "env_cfg": {"cudnn_benchmark": False},
            "load_from": str(checkpoint) if checkpoint.exists() else None,
            "resume": checkpoint.exists(),
            "run": {"device": device, "channels_last": config.channels_last, "checkpoint": str(checkpoint)},
        },
        format_python_code=False,  # yapf would take .6 s at every checkpoint, whose header is this config
    )


def _training(config: SegmentationTask, share: Share, rank: int, data: Path, axes: Axes) -> Settings:
    dataset = _data_set(config, data, list(config.sets.train), axes, _train_pipeline(config))
    place = {"share": share.batch, "rank": rank, "processes": share.processes}
    return {"batch_size": share.batch, "dataset": dataset, "sampler": {"type": "PlaceSampler", "axes": axes, **place}}


def _testing(config: SegmentationTask, data: Path, axes: Axes) -> Settings:
    dataset = _data_set(config, data, [config.sets.test], axes, _test_pipeline(config))
    sampler = {"type": "DefaultSampler", "shuffle": False}
    return {"batch_size": 1, "dataset": {**dataset, "test_mode": True}, "sampler": sampler}


def _hooks(config: SegmentationTask) -> dict[str, Settings | None]:
    """mmengine's own; where checkpoints go is the runner's affair."""
    checkpoints = {"by_epoch": False, "interval": config.checkpoint_every, "filename_tmpl": "checkpoint.pt"}
    return {
        "runtime_info": {"type": "RuntimeInfoHook"},
        "timer": {"type": "IterTimerHook"},
        "logger": {"type": "LoggerHook", "interval": 50, "log_metric_by_epoch": False},
        "param_scheduler": {"type": "ParamSchedulerHook"},
        "checkpoint": {"type": "CheckpointHook", **checkpoints},
        "sampler_seed": None,
    }


def _model(config: SegmentationTask, share: Share, weights: Path) -> Settings:
    """An ``EncoderDecoder``; its preprocessor normalises, then pads with 0 to the crop."""
    model, window = config.model, config.test.window
    norm = {"type": share.norm, "requires_grad": True}
    stage3, stage4 = backbones.channels(model.backbone)
    whole = {"mode": "whole"}
    slide = window and {"mode": "slide", "crop_size": (window.size,) * 2, "stride": (window.stride,) * 2}
    auxiliary = model.auxiliary
    return {
        "type": "EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            "mean": config.pixel_mean,
            "std": config.pixel_std,
            "bgr_to_rgb": True,
            "size": (config.input.crop,) * 2,
            "pad_val": 0,
            "seg_pad_val": 255,
        },
        "backbone": {
            "type": "PreTrainedResNet",
            "net": model.backbone,
            "weights": str(weights),
            "strides": model.strides,
            "dilations": model.dilations,
            "contract_dilation": model.contract_dilation,
            "norm_cfg": norm,
            "norm_eval": False,
        },
        "decode_head": _head(config, model.head, norm, 1.0) | {"in_channels": stage4, "in_index": 3},
        "auxiliary_head": auxiliary
        and _head(config, auxiliary, norm, auxiliary.weight) | {"in_channels": stage3, "in_index": 2},
        "train_cfg": {},
        "test_cfg": slide or whole,
    }


def _head(config: SegmentationTask, head: Head, norm: Settings, weight: float) -> Settings:
    return {
        "type": "FCNHead",
        "channels": head.channels,
        "num_convs": head.convs,
        "concat_input": head.concat_input,
        "dilation": head.dilation,
        "dropout_ratio": head.dropout,
        "num_classes": config.classes,
        "norm_cfg": norm,
        "align_corners": config.model.align_corners,
        "loss_decode": {
            "type": "CrossEntropyLoss",
            "use_sigmoid": False,
            "loss_weight": weight,
            "avg_non_ignore": not config.schedule.void_in_mean,
        },
    }


def _data_set(config: SegmentationTask, data: Path, sets: list[str], axes: Axes, pipeline: list[Settings]) -> Settings:
    return {
        "type": "LabelMaps", "layout": config.layout, "root": str(data), "sets": sets, "axes": axes,
        "pipeline": pipeline,
    }  # fmt: skip


def _read_labels(config: SegmentationTask) -> Settings:
    return {"type": "ReadLabels", "classes": config.classes, "train_ids": config.layout == "cityscapes"}


def _train_pipeline(config: SegmentationTask) -> list[Settings]:
    sizes = config.input
    return [
        {"type": "ReadImage"},
        _read_labels(config),
        {"type": "RandomResize", "scale": sizes.scale, "ratio_range": sizes.ratio, "keep_ratio": True},
        {"type": "RandomCrop", "crop_size": (sizes.crop,) * 2, "cat_max_ratio": sizes.most_of_one_class},
        {"type": "RandomFlip", "prob": sizes.flip},
        *([{"type": "PhotoMetricDistortion"}] if sizes.photometric else []),
        {"type": "PackSegInputs"},
    ]


def _test_pipeline(config: SegmentationTask) -> list[Settings]:
    """Labels are read after the resizing, which leaves them at the image's own size."""
    resize = {"type": "Resize", "scale": config.test.scale, "keep_ratio": True}
    return [{"type": "ReadImage"}, resize, _read_labels(config), {"type": "PackSegInputs"}]


def _optimiser(config: SegmentationTask) -> Settings:
    schedule = config.schedule
    sgd = {
        "type": "SGD", "lr": schedule.base_lr, "momentum": schedule.momentum, "weight_decay": schedule.weight_decay
    }  # fmt: skip
    return {"type": "Bf16OptimWrapper" if config.precision == "bf16" else "OptimWrapper", "optimizer": sgd}


def _decay(config: SegmentationTask) -> Settings:
    decay = config.schedule.decay
    if isinstance(decay, PolyDecay):
        # mmengine comes to the least rate at iteration ``end`` - 1, mmcv 1.x at ``iterations``.
        rule = {"type": "PolyLR", "power": decay.power, "eta_min": decay.least, "end": config.schedule.iterations + 1}
    else:
        rule = {"type": "MultiStepLR", "milestones": list(decay.steps), "gamma": decay.gamma}
    return {**rule, "by_epoch": False}
