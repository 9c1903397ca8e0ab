"""Weights files of every kind, whole, broken and hostile."""

import argparse
import os
import pickle
import random
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ground.errors import WeightsError
from transfer.weights import contents
from transfer.weights.reading import read

TENSORS = {"conv1.weight": torch.arange(6.0).reshape(2, 3), "bn1.num_batches_tracked": torch.tensor(4)}


def save_torch(path, value):
    torch.save(value, path)


def save_legacy(path, value):
    torch.save(value, path, _use_new_zipfile_serialization=False)


def save_pickle(path, value):
    path.write_bytes(pickle.dumps(value))


TORCH = pytest.mark.parametrize("save", [save_torch, save_legacy])


class Command:
    """What a hostile file asks for when it is loaded."""

    def __init__(self, function, *arguments):
        self.asked = function, arguments

    def __reduce__(self):
        return self.asked


class Buffer:
    """A class of somebody else's, with state."""

    def __init__(self):
        self.history, self.method = np.arange(3.0), np.float64(2.5)


class Scores(dict):
    """A dictionary of somebody else's."""


def same(tensors):
    return tensors.keys() == TENSORS.keys() and all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_safetensors_are_read_with_their_header(tmp_path):
    save_file(TENSORS, tmp_path / "w.anything", {"source": "here"})
    found = read(tmp_path / "w.anything")
    assert (found.kind, found.header) == ("safetensors", {"source": "here"})
    assert same(found.tree)


@TORCH
def test_checkpoints_are_read_with_all_that_training_left_in_them(tmp_path, save):
    seen = defaultdict(list)
    seen["a"].append(1)
    save(
        tmp_path / "w.pth",
        {
            "state_dict": TENSORS,
            "args": argparse.Namespace(lr=0.1, out=Path("here")),
            "hub": {"loss": Buffer()},
            "scores": Scores(best=1),
            "seen": seen,
            "device": torch.device("cuda"),
        },
    )
    found = read(tmp_path / "w.pth")
    assert found.kind == "torch"
    assert same(found.tree["state_dict"])
    assert (found.tree["scores"], found.tree["seen"]) == ({"best": 1}, {"a": [1]})
    assert "argparse.Namespace" in found.placeholders
    assert type(found.tree["args"]).__name__ == "argparse.Namespace"
    assert not vars(found.tree["args"])


def test_arrays_are_read_from_a_pickle_as_detectron2_writes_it(tmp_path):
    arrays = {name: tensor.numpy() for name, tensor in TENSORS.items()}
    save_pickle(tmp_path / "w.pkl", {"model": arrays, "__author__": "somebody", "matching_heuristics": True})
    assert same(contents.network(read(tmp_path / "w.pkl")).tensors)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_are_read_from_every_protocol_of_pickle_that_has_one(tmp_path, protocol):
    whole = {"model": {"a": np.arange(4, dtype=">f4"), "b": np.ones((2, 3), order="F"), "c": np.array(3)}}
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(whole, protocol))
    if protocol < 2:  # these have no header by which to know them
        with pytest.raises(WeightsError, match="no weights file of a known kind"):
            read(tmp_path / "w.pkl")
    else:
        tensors = contents.network(read(tmp_path / "w.pkl")).tensors
        assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
            "a": [0, 1, 2, 3], "b": [[1, 1, 1]] * 2, "c": 3,
        }  # fmt: skip


COMMANDS = [
    (os.system, "touch {}"),
    (subprocess.check_output, ["touch", "{}"]),
    (eval, "open({!r}, 'w')"),
    (exec, "open({!r}, 'w')"),
]


@pytest.mark.parametrize("save", [save_torch, save_legacy, save_pickle])
@pytest.mark.parametrize(("function", "argument"), COMMANDS)
def test_a_file_that_asks_for_a_command_is_refused_and_the_command_not_run(tmp_path, save, function, argument):
    mark = str(tmp_path / "run")
    filled = [part.format(mark) for part in argument] if isinstance(argument, list) else argument.format(mark)
    save(tmp_path / "w", {"state_dict": {"a": np.ones(2)}, "extra": Command(function, filled)})
    with pytest.raises(WeightsError, match=rf"asks for `\w+\.{function.__name__}`") as refusal:
        read(tmp_path / "w")
    assert refusal.value.where == str(tmp_path / "w")
    assert not Path(mark).exists()


@TORCH
def test_a_function_of_the_files_choice_is_not_called(tmp_path, save):
    """Also where its name is not known as one that runs commands."""
    save(tmp_path / "w.pth", {"state_dict": TENSORS, "extra": Command(os.path.exists, "x")})
    tree = read(tmp_path / "w.pth").tree
    assert not isinstance(tree["extra"], bool)
    assert same(tree["state_dict"])


def test_a_pickle_does_not_change_what_it_is_admitted_to_use(tmp_path):
    """The operation BUILD sets attributes of whatever lies on the stack."""
    (tmp_path / "w.pkl").write_bytes(b"\x80\x02cnumpy._core.numeric\n_frombuffer\nN}X\x01\0\0\0aK\x01s\x86b.")
    with pytest.raises(WeightsError, match="cut short or damaged"):
        read(tmp_path / "w.pkl")


@TORCH
def test_what_cannot_be_read_without_running_it_is_refused_as_such(tmp_path, save):
    save(tmp_path / "w.pth", {"state_dict": TENSORS, "extra": Command(Path.touch, str(tmp_path / "run"))})
    with pytest.raises(WeightsError, match=r"not read without running their code .*save its `state_dict` alone"):
        read(tmp_path / "w.pth")
    assert not (tmp_path / "run").exists()


@TORCH
def test_a_whole_module_is_refused_with_what_to_save_instead(tmp_path, save):
    save(tmp_path / "w.pth", Buffer())
    with pytest.raises(WeightsError, match=r"whole object of class `.*Buffer`.*Save its `state_dict\(\)`"):
        read(tmp_path / "w.pth")


@pytest.mark.parametrize("save", [save_torch, save_legacy, save_pickle])
def test_a_list_is_refused(tmp_path, save):
    save(tmp_path / "w", [1, 2])
    with pytest.raises(WeightsError, match="holds a list, not named"):
        read(tmp_path / "w")


@pytest.mark.parametrize("save", [save_torch, save_legacy, save_pickle, save_file])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused(tmp_path, save, part):
    arrays = {"a": torch.ones(300), "b": torch.ones(50)}
    if save is save_file:
        save_file(arrays, tmp_path / "w")
    else:
        save(tmp_path / "w", {"model": {n: t.numpy() for n, t in arrays.items()} if save is save_pickle else arrays})
    whole = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(WeightsError, match=r"w: is cut short .*Download or copy it again\.") as error:
        read(tmp_path / "w")
    assert "codec" not in str(error.value)


@pytest.mark.parametrize("save", [save_torch, save_legacy, save_pickle, save_file])
def test_a_damaged_file_is_read_or_refused_and_nothing_else_happens(tmp_path, save):
    draw = random.Random(4)
    if save is save_file:
        save_file(TENSORS, tmp_path / "w")
    else:
        save(tmp_path / "w", {"model": {n: t.numpy() for n, t in TENSORS.items()} if save is save_pickle else TENSORS})
    whole = (tmp_path / "w").read_bytes()
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(draw.choice([1, 2, 8])):
            damaged[draw.randrange(len(whole))] = draw.randrange(256)
        (tmp_path / "w").write_bytes(damaged)
        try:
            read(tmp_path / "w")
        except WeightsError:
            refused += 1
    assert refused > 10
    assert np.zeros(3, np.float32).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty. Download or copy it again"),
        (b"\n <!DOCTYPE html><html>", "is a web page, not weights. Open the link in a browser"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer.* `git lfs pull`"),
        (b"\x1f\x8b\x08\0\0", "compressed archive. Unpack it"),
        (b'{"a": 1}', "is a text file"),
        (b"\0" * 3000, "begins with zeros: a copy that was never finished"),
        (b"hello there", "no weights file of a known kind"),
        (b"PK\x03\x04 and nothing", "is cut short or no checkpoint"),
        (b"\x80\x04\x95", "is cut short or damaged"),
    ],
)
def test_what_is_no_weights_file_is_refused_by_what_it_is(tmp_path, content, message):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read(tmp_path / "w.pth")


def test_an_archive_of_arrays_and_a_torchscript_program_are_refused_by_what_they_are(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.ones(3))
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"archive of numpy arrays"):
        read(tmp_path / "w.npz")
    with pytest.raises(WeightsError, match=r"TorchScript program"):
        read(tmp_path / "w.pt")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        read(tmp_path / "none")
