"""What lies beside a network in its checkpoint."""

import numpy as np
import pytest
import torch

from ground.errors import WeightsError
from transfer.weights import imported
from transfer.weights.contents import Contents, network


def saved(path, whole):
    torch.save(whole, path)
    return path


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_a_tensor_beside_the_network_is_left_over(tmp_path, trained, wrapper):
    """As in the checkpoints of PyTorch's own ImageNet example, which keep the best accuracy as a tensor."""
    whole = {
        "epoch": torch.tensor(3),
        "arch": "resnet18",
        wrapper: {f"module.{name}": tensor for name, tensor in trained.items()},
        "best_acc1": torch.tensor(70.0),
    }
    found = imported(saved(tmp_path / "w.pth", whole))
    assert torch.equal(found.tensors["conv1.weight"], trained["conv1.weight"])
    assert found.left_over == {"epoch": 1, "arch": 0, "best_acc1": 1}


def test_a_network_that_lies_bare_is_taken_whatever_lies_beside_it(trained):
    found = network(Contents("torch", trained | {"model": {"x": torch.ones(2)}}))
    assert (found.wrapper, found.tensors.keys(), found.beside) == ("", trained.keys(), {"model": 1})


@pytest.mark.parametrize(
    ("raw", "averaged", "before", "prefix"),
    [
        ("model", "model_ema", "", "model_ema."),
        ("state_dict", "state_dict_ema", "module.", "state_dict_ema.module."),
        ("state_dict", "ema_state_dict", "module.backbone.", "ema_state_dict.module.backbone."),
    ],
)
def test_an_averaged_copy_is_told_and_taken_by_its_prefix(tmp_path, trained, other, raw, averaged, before, prefix):
    copy = {before + name: tensor for name, tensor in other.items()}
    path = saved(tmp_path / "w.pth", {raw: trained, averaged: copy})
    found, asked = imported(path), imported(path, prefix=prefix)
    assert found.notes == (f"an averaged copy is there too: --prefix {prefix}",)
    assert found.left_over == {averaged: len(other)}
    assert torch.equal(found.tensors["conv1.weight"], trained["conv1.weight"])
    assert torch.equal(asked.tensors["conv1.weight"], other["conv1.weight"])
    assert (asked.notes, asked.prefix, asked.left_over) == ((), prefix, {raw: len(trained)})


def test_a_prefix_that_is_nowhere_is_refused_also_beside_other_networks(tmp_path, trained, other):
    path = saved(tmp_path / "w.pth", {"model": trained, "teacher": other})
    assert imported(path, prefix="teacher.").left_over == {"model": len(trained)}
    with pytest.raises(WeightsError, match=r"no ResNet below `student\.`; it has one below no prefix"):
        imported(path, prefix="student.")


def test_networks_under_unknown_keys_are_named_by_the_prefixes_that_take_them(tmp_path, trained, other):
    """As in DINO's checkpoints."""
    teacher = {f"module.backbone.{name}": tensor for name, tensor in other.items()}
    path = saved(tmp_path / "w.pth", {"student": trained, "teacher": teacher, "epoch": 3})
    message = (
        r"only under keys of no known format: `student\.`, `teacher\.module\.backbone\.`\. Choose one with --prefix"
    )
    with pytest.raises(WeightsError, match=message):
        imported(path)
    found = imported(path, prefix="teacher.module.backbone")
    assert torch.equal(found.tensors["conv1.weight"], other["conv1.weight"])


def test_what_lies_in_several_places_is_counted_once_and_an_array_with_several_names_copied_once():
    shared = [torch.ones(1)]
    for _ in range(100):
        shared = [shared, shared]
    shared[0].append(shared)
    array = np.ones(3)
    found = network(Contents("pickle", {"model": {"a": array, "b": array}, "more": shared, (1, 2): 3}))
    assert found.beside == {"more": 1, "tuple": 0}
    assert found.tensors["a"] is found.tensors["b"]
