"""What a finished pre-training hands over: a backbone to fine-tune, a network to compare images with."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save as safetensors
from torch import Tensor, nn

from ground.errors import DivergedError
from ground.files import atomic_path
from pretrain.config import Model
from pretrain.model.student_teacher import StudentTeacher

NETWORK = "network.safetensors"
SNAPSHOTS = "snapshots"


def export_backbone(path: Path, resnet: nn.Module) -> None:
    """The backbone with torchvision's tensor names, BN statistics included, no classifier, as safetensors.

    Raises:
        DivergedError: a value is not finite; nothing is written.
    """
    _write(path, resnet.state_dict(), None)


def snapshot(out: Path, epoch: int, network: str) -> Path:
    """Where a training in ``out`` keeps a backbone as it was after ``epoch``; ``network``: ``student``, ``teacher``."""
    return out / SNAPSHOTS / f"epoch-{epoch:04d}.{network}.safetensors"


def export_snapshot(out: Path, epoch: int, model: StudentTeacher) -> None:
    """Both backbones as they are after ``epoch``, 0 before the first step."""
    export_backbone(snapshot(out, epoch, "student"), model.student.resnet)
    export_backbone(snapshot(out, epoch, "teacher"), model.teacher.resnet)


def export_network(path: Path, model: StudentTeacher, config: Model) -> None:
    """The student's backbone and its branches' projectors, with what it takes to build them, as safetensors.

    Nothing is written for a recipe none of whose branches has a single projector.

    Raises:
        DivergedError: as ``export_backbone``.
    """
    heads = {
        name: model.branches[name].get_submodule("projector")
        for name, branch in config.branches.items()
        if branch.hands_over
    }
    if not heads:
        return
    tensors = {f"backbone.{name}": value for name, value in model.student.resnet.state_dict().items()}
    for branch, head in heads.items():
        tensors |= {f"projectors.{branch}.{name}": value for name, value in head.state_dict().items()}
    settings = {name: config.branches[name].projector.model_dump(mode="json") for name in heads}
    _write(path, tensors, {"backbone": config.backbone, "projectors": json.dumps(settings, sort_keys=True)})


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> None:
    broken = [name for name, value in tensors.items() if not value.isfinite().all()]
    if broken:
        more = f" and {len(broken) - 1} more" if broken[1:] else ""
        raise DivergedError(
            path,
            f"is not written, since not every value of {broken[0]}{more} is finite",
            "Lower optim.lr or lengthen optim.warmup_epochs, and train anew.",
        )
    with atomic_path(path) as temporary:
        temporary.write_bytes(_in_order(safetensors({k: v.cpu().contiguous() for k, v in tensors.items()}, metadata)))


def _in_order(file: bytes) -> bytes:
    """The same safetensors file with its metadata sorted: the library writes them in any order, another each time."""
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + file[end:]
