"""Checkpoints are whole or absent, and never of another network."""

import pytest
import torch
from torch import nn

from ground import checkpoint
from ground.errors import StorageError, WeightsError

CPU = torch.device("cpu")


def test_every_part_comes_back_with_step_and_metrics(tmp_path):
    net, other = nn.Linear(2, 2), nn.Linear(2, 2)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(1, 2)).sum().backward()
    sgd.step()
    checkpoint.save(tmp_path / "c.pt", 7, {"model": net, "optimizer": sgd}, {"loss": 0.5})
    restored = torch.optim.SGD(other.parameters(), lr=9.0)
    assert checkpoint.restore(tmp_path / "c.pt", {"model": other, "optimizer": restored}, CPU) == (7, {"loss": 0.5})
    assert torch.equal(net.weight, other.weight)
    assert restored.param_groups[0]["lr"] == 0.1
    buffers = [state["momentum_buffer"] for state in restored.state.values()]
    assert torch.equal(buffers[0], sgd.state[net.weight]["momentum_buffer"])


def test_no_checkpoint_is_step_zero(tmp_path):
    assert checkpoint.restore(tmp_path / "c.pt", {"model": nn.Linear(1, 1)}, CPU) == (0, {})


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_broken_or_foreign_file_is_named(content, tmp_path):
    path = tmp_path / "c.pt"
    checkpoint.save(path, 1, {"model": nn.Linear(2, 2)})
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"c\.pt: is no checkpoint of this run.*Delete the file"):
        checkpoint.restore(path, {"model": nn.Linear(3, 2)}, CPU)


def test_pickled_code_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("executed",))

    torch.save({"step": 1, "metrics": {}, "model": Trap()}, tmp_path / "c.pt")
    with pytest.raises(WeightsError):
        checkpoint.restore(tmp_path / "c.pt", {"model": nn.Linear(1, 1)}, CPU)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    checkpoint.save(tmp_path / "c.pt", 1, {"model": nn.Linear(1, 1)})
    before = (tmp_path / "c.pt").read_bytes()
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(StorageError, match=r"c\.pt: No space left on device\. Free some space"):
        checkpoint.save(tmp_path / "c.pt", 2, {"model": nn.Linear(1, 1)})
    assert (tmp_path / "c.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]
