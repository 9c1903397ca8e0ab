"""Tensors of a network whose batch norms have seen images."""

import pytest
import torch

from ground.backbones import build


def state(network="resnet10_w32", seed=5):
    """A network's tensors after a step of training as far as its batch norms can tell."""
    torch.manual_seed(seed)
    net = build(network)
    with torch.no_grad():
        net(torch.randn(2, 3, 64, 64))
    return dict(net.state_dict())


@pytest.fixture(scope="session")
def trained():
    return state()


@pytest.fixture(scope="session")
def other():
    """The other of two networks in a checkpoint."""
    return state(seed=6)


@pytest.fixture(scope="session")
def trained50():
    return state("resnet50")
