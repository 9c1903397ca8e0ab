"""Which device each of several processes gets."""

import pytest
import torch

from ground import distributed
from ground.errors import ConfigError


@pytest.fixture
def cards(monkeypatch):
    """Two GPUs that are not there; the devices that were made current and the backends that were joined."""
    chosen, joined = [], []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.distributed, "init_process_group", joined.append)
    return chosen, joined


def test_each_of_several_processes_has_its_own_gpu(cards, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert distributed.start(torch.device("cuda")) == torch.device("cuda:1")
    assert cards == ([torch.device("cuda:1")], ["nccl"])


def test_one_process_or_a_cpu_keeps_its_device(cards, monkeypatch):
    assert distributed.start(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert distributed.start(torch.device("cuda")) == torch.device("cuda")
    assert cards == ([], ["gloo"])


@pytest.mark.parametrize("local", ["2", ""])
def test_a_process_without_a_gpu_is_refused(local, cards, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", local)
    with pytest.raises(ConfigError, match=r"LOCAL_RANK: `.?` names none of the 2 GPUs"):
        distributed.start(torch.device("cuda"))
    assert cards == ([], [])
