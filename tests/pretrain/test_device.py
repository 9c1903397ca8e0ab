"""What training asks of the device, whoever starts it."""

import os

import pytest
import torch

from pretrain.device import be_reproducible


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_whoever_trains_without_the_harness_has_its_setting_of_cublas(monkeypatch, device):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.are_deterministic_algorithms_enabled()
    try:
        be_reproducible(torch.device(device))
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled() == (device == "cuda")
        assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None) == (":4096:8" if device == "cuda" else None)
    finally:
        torch.use_deterministic_algorithms(before)
