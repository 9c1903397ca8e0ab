"""What fine-tuning asks of the device."""

import os

import pytest
import torch

from transfer.device import make_repeatable


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_torch_is_told_to_repeat_itself(monkeypatch, device):
    """Deterministic mode on CUDA would have torchvision evaluate RoIAlign at every pixel for every bin."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    before = torch.are_deterministic_algorithms_enabled()
    try:
        make_repeatable(torch.device(device))
        assert torch.are_deterministic_algorithms_enabled() == (device == "cpu")
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None) == (":4096:8" if device == "cuda" else None)
    finally:
        torch.use_deterministic_algorithms(before)
