"""The layouts that weights come in, each one entry: recognised by its keys, in this order.

Whom to take where a checkpoint holds two networks, student and teacher, is what the authors' own converter takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ground.config import suggest
from ground.errors import ConfigError


@dataclass(frozen=True)
class Format:
    """One layout of a checkpoint."""

    name: str
    title: str
    source: str
    """Who writes it, and the converter that says which tensors are the backbone."""
    prefixes: tuple[str, ...]
    """What stands before the backbone's names, the first that is there is taken."""
    wrappers: tuple[str, ...] = ()
    """Keys that the network can be under; any if empty."""
    marks: tuple[str, ...] = ()
    """Patterns; each begins some tensor's name."""
    kinds: tuple[str, ...] = field(default=("torch", "safetensors", "pickle"))
    """Kinds of file it is written as."""

    def fits(self, kind: str, wrapper: str, names: list[str], prefixes: list[str]) -> bool:
        """Whether a checkpoint with ``names``, a ResNet below each of ``prefixes``, looks like this."""
        return (
            kind in self.kinds
            and (not self.wrappers or wrapper in self.wrappers)
            and any(prefix in self.prefixes for prefix in prefixes)
            and all(any(re.match(mark, name) for name in names) for mark in self.marks)
        )


FORMATS = (
    Format(
        "run",
        "checkpoint of a pre-training of ours",
        "pretrain.training.loop; which of the two is handed over is the recipe's `model.export`",
        ("student.resnet.", "teacher.resnet."),
        wrappers=("model",),
        marks=(r"student\.resnet\.", r"teacher\.resnet\."),
    ),
    Format(
        "slotcon",
        "SlotCon, its teacher",
        "CVMI-Lab/SlotCon main_pretrain.py, transfer/detection/convert_pretrain_to_d2.py",
        ("module.encoder_k.", "encoder_k."),
        wrappers=("model", "state_dict"),
        marks=(r"(module\.)?grouping_k\.", r"(module\.)?encoder_q\."),
    ),
    Format(
        "pixpro",
        "PixPro, its student",
        "zdaxie/PixPro main_pretrain.py, transfer/detection/convert_pretrain_to_d2.py",
        ("module.encoder.", "encoder."),
        wrappers=("model", "state_dict"),
        marks=(r"(module\.)?encoder\.", r"(module\.)?encoder_k\."),
    ),
    Format(
        "mmselfsup",
        "mmselfsup or OpenSelfSup (PixCon, DenseCL, ORL), its student",
        "pangzss/PixCon, WXinlong/DenseCL and Jiahao000/ORL tools/extract_backbone_weights.py",
        ("backbone.", "encoder_q.0.", "online_net.0.", "base_encoder.0."),
        marks=(r"(encoder_[qk]|online_net|target_net|base_encoder|momentum_encoder)\.",),
    ),
    Format(
        "moco",
        "MoCo, its student",
        "facebookresearch/moco main_moco.py, detection/convert-pretrain-to-detectron2.py",
        ("module.encoder_q.", "encoder_q."),
        marks=(r"(module\.)?encoder_k\.",),
    ),
    Format(
        "openmmlab",
        "mmsegmentation, mmdetection or mmpretrain",
        "mmengine's checkpoints of models with a `backbone`",
        ("backbone.",),
        wrappers=("state_dict", ""),
        kinds=("torch", "safetensors"),
    ),
    Format(
        "detectron2",
        "detectron2",
        "facebookresearch/detectron2 detectron2/checkpoint, tools/convert-torchvision-to-d2.py",
        ("backbone.bottom_up.", "backbone.", ""),
        marks=(r"(backbone\.(bottom_up\.)?)?res2\.0\.conv1\.weight$",),
    ),
    Format(
        "torchvision",
        "torchvision, timm, or a backbone that was extracted",
        "torchvision.models.resnet; the same names in timm and after the converters above",
        ("", "module."),
    ),
)


def named(name: str) -> Format:
    """The format with this name.

    Raises:
        ConfigError: there is none.
    """
    known = {each.name: each for each in FORMATS}
    if name not in known:
        raise ConfigError(f"--format {name}", "is no format of weights that is known", suggest(name, list(known)))
    return known[name]
