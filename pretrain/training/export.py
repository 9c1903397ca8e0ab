"""What a finished pre-training hands over."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save as safetensors
from torch import nn

from ground.files import atomic_path


def export_backbone(path: Path, resnet: nn.Module) -> None:
    """The backbone with torchvision's tensor names, BN statistics included, no classifier, as safetensors."""
    tensors = {name: value.cpu().contiguous() for name, value in resnet.state_dict().items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(safetensors(tensors))
